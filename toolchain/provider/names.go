package main

import (
	"encoding/json"
	"io"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// names are the properties of one resource or function, each with its shape.
type names struct {
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
}

// printNames writes every token with its property names and their shapes, for the test that compares them with the
// Python SDK.
func printNames(p tfbridge.ProviderInfo, out io.Writer) error {
	resources, functions := map[string]names{}, map[string]names{}
	for name, info := range p.Resources {
		resources[string(info.Tok)] = propertyNames(p.P.ResourcesMap().Get(name).Schema(), info.Fields)
	}
	for name, info := range p.DataSources {
		functions[string(info.Tok)] = propertyNames(p.P.DataSourcesMap().Get(name).Schema(), info.Fields)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", " ")
	return encoder.Encode(map[string]any{
		"resources": resources,
		"functions": functions,
		"config":    propertyNames(p.P.Schema(), p.Config).Inputs,
	})
}

func propertyNames(schemas shim.SchemaMap, infos map[string]*tfbridge.SchemaInfo) names {
	found := names{map[string]any{}, map[string]any{}}
	schemas.Range(func(key string, schema shim.Schema) bool {
		if schema.Removed() != "" {
			return true
		}
		name := tfbridge.TerraformToPulumiNameV2(key, schemas, infos)
		found.Outputs[name] = shape(schema, infos[key])
		if schema.Required() || schema.Optional() {
			found.Inputs[name] = found.Outputs[name]
		}
		return true
	})
	return found
}

// shape is a word, or {"list": shape}, {"map": shape} or {"object": {name: shape}}.
func shape(schema shim.Schema, info *tfbridge.SchemaInfo) any {
	switch schema.Type() {
	case shim.TypeBool:
		return "bool"
	case shim.TypeInt:
		return "int"
	case shim.TypeFloat:
		return "float"
	case shim.TypeString:
		return "string"
	case shim.TypeMap:
		if _, nested := schema.Elem().(shim.Resource); nested {
			return element(schema, info)
		}
		return map[string]any{"map": element(schema, info)}
	case shim.TypeList, shim.TypeSet:
		if tfbridge.IsMaxItemsOne(schema, info) {
			return element(schema, info)
		}
		return map[string]any{"list": element(schema, info)}
	default:
		return "any"
	}
}

func element(schema shim.Schema, info *tfbridge.SchemaInfo) any {
	var elem *tfbridge.SchemaInfo
	if info != nil {
		elem = info.Elem
	}
	switch of := schema.Elem().(type) {
	case shim.Resource:
		var fields map[string]*tfbridge.SchemaInfo
		if elem != nil {
			fields = elem.Fields
		}
		return map[string]any{"object": propertyNames(of.Schema(), fields).Outputs}
	case shim.Schema:
		return shape(of, elem)
	default:
		return "string"
	}
}
