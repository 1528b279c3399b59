// Holds manifests against what an API server of Kubernetes would say: built with kustomize's own library, decoded
// strictly, defaulted and validated by the server's own code, custom resources by their definition's schema and rules,
// and each pod by the Pod Security Standard "restricted".
//
//	validator [-crd FILE]... [-foreign GROUP]... KUSTOMIZATION|FILE...
//
// Prints one JSON document; ends with 1 when there is a problem. A kind that nothing here knows is a problem, unless its
// group is named as foreign: then it is listed, for somebody else to check.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

type finding struct {
	Source  string `json:"source"`
	Object  string `json:"object"`
	Problem string `json:"problem"`
}

type answer struct {
	Objects  []map[string]any `json:"objects"`
	Foreign  []string         `json:"foreign"`
	Problems []finding        `json:"problems"`
}

type list []string

func (l *list) String() string         { return strings.Join(*l, ",") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func main() {
	var crdFiles, foreign list
	flag.Var(&crdFiles, "crd", "a file with a CustomResourceDefinition; may be given again")
	flag.Var(&foreign, "foreign", "an API group that is not checked here; may be given again")
	flag.Parse()
	definitions := map[schema.GroupVersionKind]*definition{}
	for _, file := range crdFiles {
		if err := readDefinitions(file, definitions); err != nil {
			fatal(fmt.Errorf("%s: %w", file, err))
		}
	}
	said := answer{Objects: []map[string]any{}, Foreign: []string{}, Problems: []finding{}}
	for _, source := range flag.Args() {
		rendered, err := render(source)
		if err != nil {
			fatal(fmt.Errorf("%s: %w", source, err))
		}
		for _, document := range documents(rendered) {
			check(source, document, definitions, foreign, &said)
		}
	}
	text, err := json.Marshal(said)
	if err != nil {
		fatal(err)
	}
	fmt.Println(string(text))
	if len(said.Problems) > 0 {
		os.Exit(1)
	}
}

func check(source string, document []byte, definitions map[schema.GroupVersionKind]*definition, foreign list, said *answer) {
	object := &unstructured.Unstructured{}
	name := "?"
	report := func(problem string) {
		said.Problems = append(said.Problems, finding{Source: source, Object: name, Problem: problem})
	}
	// Strict: a key that stands twice is a mistake of whoever wrote it, and YAML takes the last.
	inJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		report(err.Error())
		return
	}
	// As the server reads it: whole numbers are integers, which rules of definitions insist on.
	if err := json.Unmarshal(inJSON, &object.Object); err != nil {
		report(err.Error())
		return
	}
	if len(object.Object) == 0 {
		return
	}
	kind := object.GroupVersionKind()
	name = fmt.Sprintf("%s %s", kind.Kind, object.GetName())
	said.Objects = append(said.Objects, object.Object)
	switch {
	case isBuiltIn(kind):
		for _, problem := range validateBuiltIn(document) {
			report(problem)
		}
	case definitions[kind] != nil:
		for _, problem := range definitions[kind].validate(context.Background(), object) {
			report(problem)
		}
	case contains(foreign, kind.Group):
		said.Foreign = append(said.Foreign, fmt.Sprintf("%s %s", kind.GroupVersion(), name))
	default:
		report(fmt.Sprintf("nothing here knows %s", kind))
	}
}

// render builds a folder with kustomize, as `kubectl apply -k` would; a file is taken as it is.
func render(source string) ([]byte, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.ReadFile(source)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), source)
	if err != nil {
		return nil, err
	}
	return resources.AsYaml()
}

func documents(rendered []byte) [][]byte {
	var found [][]byte
	for _, text := range strings.Split("\n"+string(rendered), "\n---") {
		if strings.TrimSpace(text) != "" {
			found = append(found, []byte(text))
		}
	}
	return found
}

func contains(all list, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
