package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	policyapi "k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	securityapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

func isBuiltIn(kind schema.GroupVersionKind) bool {
	return legacyscheme.Scheme.Recognizes(kind)
}

// validateBuiltIn goes the way of a create request: strict decoding, defaults, the internal version, its validation.
func validateBuiltIn(document []byte) []string {
	external, kind, err := strict.Decode(document, nil, nil)
	if err != nil {
		return []string{err.Error()}
	}
	legacyscheme.Scheme.Default(external)
	object, err := legacyscheme.Scheme.ConvertToVersion(external, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return []string{err.Error()}
	}
	mistakes, isKnown := validate(object)
	if !isKnown {
		return []string{fmt.Sprintf("no validation for %T here", object)}
	}
	problems := texts(mistakes)
	return append(problems, podSecurity(external)...)
}

func validate(object runtime.Object) (field.ErrorList, bool) {
	pods := corevalidation.PodValidationOptions{}
	switch each := object.(type) {
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(named(each), pods), true
	case *apps.StatefulSet:
		return appsvalidation.ValidateStatefulSet(named(each), pods), true
	case *batch.CronJob:
		return batchvalidation.ValidateCronJobCreate(named(each), pods), true
	case *batch.Job:
		return batchvalidation.ValidateJob(named(each), batchvalidation.JobValidationOptions{PodValidationOptions: pods}), true
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(named(each)), true
	case *core.Namespace:
		return corevalidation.ValidateNamespace(each), true
	case *core.PersistentVolumeClaim:
		return corevalidation.ValidatePersistentVolumeClaim(named(each), corevalidation.PersistentVolumeClaimSpecValidationOptions{}), true
	case *core.Secret:
		return corevalidation.ValidateSecret(named(each)), true
	case *core.Service:
		return corevalidation.ValidateServiceCreate(allocated(named(each))), true
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(named(each)), true
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(named(each), networkingvalidation.NetworkPolicyValidationOptions{}), true
	case *policyapi.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(named(each), policyvalidation.PodDisruptionBudgetValidationOptions{}), true
	default:
		return nil, false
	}
}

// allocated gives a service what the API server's allocators would have given it before it is validated.
func allocated(service *core.Service) *core.Service {
	if service.Spec.ClusterIP == core.ClusterIPNone {
		service.Spec.ClusterIPs = []string{core.ClusterIPNone}
	}
	if service.Spec.Type == core.ServiceTypeLoadBalancer && service.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal {
		service.Spec.HealthCheckNodePort = 30000
	}
	return service
}

// named gives the namespace that `kubectl apply -n` would.
func named[Object metav1.Object](object Object) Object {
	if object.GetNamespace() == "" {
		object.SetNamespace("default")
	}
	return object
}

func podSecurity(object runtime.Object) []string {
	var template corev1.PodTemplateSpec
	switch each := object.(type) {
	case *appsv1.Deployment:
		template = each.Spec.Template
	case *appsv1.StatefulSet:
		template = each.Spec.Template
	case *batchv1.CronJob:
		template = each.Spec.JobTemplate.Spec.Template
	case *batchv1.Job:
		template = each.Spec.Template
	default:
		return nil
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		return []string{err.Error()}
	}
	level := securityapi.LevelVersion{Level: securityapi.LevelRestricted, Version: securityapi.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec))
	if result.Allowed {
		return nil
	}
	return []string{"Pod Security Standard restricted: " + result.ForbiddenDetail()}
}

func texts(mistakes field.ErrorList) []string {
	var said []string
	for _, mistake := range mistakes {
		said = append(said, mistake.Error())
	}
	return said
}
