package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// definition is one version of a custom resource, ready to judge.
type definition struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

func readDefinitions(file string, into map[schema.GroupVersionKind]*definition) error {
	handle, err := os.Open(file)
	if err != nil {
		return err
	}
	defer handle.Close()
	decoder := utilyaml.NewYAMLOrJSONDecoder(handle, 1<<16)
	for {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := decoder.Decode(&crd); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for _, version := range crd.Spec.Versions {
			if !version.Served {
				continue
			}
			var internal apiextensions.CustomResourceValidation
			if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(version.Schema, &internal, nil); err != nil {
				return err
			}
			structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
			if err != nil {
				return err
			}
			validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
			if err != nil {
				return err
			}
			into[schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}] = &definition{
				structural: structural,
				validator:  validator,
				rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
			}
		}
	}
}

// validate says what the API server would with fieldValidation=Strict.
func (d *definition) validate(ctx context.Context, object *unstructured.Unstructured) []string {
	content := object.DeepCopy().Object
	unknown := pruning.PruneWithOptions(content, d.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	var problems []string
	for _, path := range unknown {
		problems = append(problems, "unknown field "+strings.TrimPrefix(path, "."))
	}
	structuraldefaulting.Default(content, d.structural)
	problems = append(problems, texts(validation.ValidateCustomResource(nil, content, d.validator))...)
	if d.rules != nil {
		mistakes, _ := d.rules.Validate(ctx, field.NewPath(""), d.structural, content, nil, celconfig.RuntimeCELCostBudget)
		problems = append(problems, texts(mistakes)...)
	}
	return problems
}
