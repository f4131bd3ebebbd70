package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// membersMax is the most members of one object: their presence is one bit each.
const membersMax = 64

// compiler makes nodes of types and their schemas; each struct type once, so that types may hold themselves.
type compiler struct {
	registry huma.Registry
	objects  map[reflect.Type]*object
}

// compile returns the node of type t with schema s. It panics for types that requests cannot have.
func (c *compiler) compile(t reflect.Type, s *huma.Schema) *node {
	if s == nil {
		panic(fmt.Sprintf("api: type %s has no schema", t))
	}
	n := &node{typ: t, nullable: s.Nullable}
	for s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	if t.Kind() == reflect.Pointer {
		n.typ, n.pointer = t.Elem(), true
	}
	switch {
	case n.typ == reflect.TypeFor[json.RawMessage](): // anything
	case s.Type == huma.TypeString && textSetter(n.typ) != nil:
		n.kind, n.text = '"', compileText(c.registry, n.typ, s)
	case s.Type == huma.TypeInteger && (reflect.Zero(n.typ).CanInt() || reflect.Zero(n.typ).CanUint()):
		n.kind, n.number = '0', compileNumber(n.typ.Kind(), s)
	case s.Type == huma.TypeBoolean && n.typ.Kind() == reflect.Bool:
		n.kind = 't'
	case s.Type == huma.TypeArray && n.typ.Kind() == reflect.Slice:
		n.kind, n.elem = '[', c.compile(n.typ.Elem(), s.Items)
		n.min, n.max = bounds(s.MinItems, s.MaxItems)
	case s.Type == huma.TypeObject && n.typ.Kind() == reflect.Map:
		elem, ok := s.AdditionalProperties.(*huma.Schema)
		if !ok || n.typ.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("api: a request cannot hold a %s", t))
		}
		n.kind, n.elem = '{', c.compile(n.typ.Elem(), elem)
		n.min, n.max = bounds(s.MinProperties, s.MaxProperties)
	case s.Type == huma.TypeObject && n.typ.Kind() == reflect.Struct:
		n.kind, n.object = '{', c.object(n.typ, s)
	default:
		panic(fmt.Sprintf("api: a request cannot hold a %s; anything is a json.RawMessage", t))
	}
	return n
}

// object returns the members of struct type t.
func (c *compiler) object(t reflect.Type, s *huma.Schema) *object {
	if known, ok := c.objects[t]; ok {
		return known
	}
	refuseHidden(t, t, nil)
	o := &object{members: map[string]*member{}}
	c.objects[t] = o
	for _, field := range jsonFields(t) {
		name := jsonName(field)
		schema, ok := s.Properties[name]
		if !ok {
			panic(fmt.Sprintf("api: %s.%s is not in its schema", t, field.Name))
		}
		if o.members[name] != nil {
			panic(fmt.Sprintf("api: %s has two members %q", t, name))
		}
		if len(o.members) == membersMax {
			panic(fmt.Sprintf("api: %s has more than %d members", t, membersMax))
		}
		m := &member{name: name, index: field.Index, bit: 1 << len(o.members), node: c.compile(field.Type, schema)}
		o.members[name] = m
		if slices.Contains(s.Required, name) {
			o.required |= m.bit
		}
	}
	return o
}

// refuseHidden panics where a field of part, a struct embedded in whole at an index, is hidden by another field of
// its name: Go would drop the member from the request without a word.
func refuseHidden(whole, part reflect.Type, at []int) {
	for i := range part.NumField() {
		field, index := part.Field(i), append(slices.Clone(at), i)
		if !field.IsExported() && !field.Anonymous {
			continue
		}
		if seen, ok := whole.FieldByName(field.Name); !ok || !slices.Equal(seen.Index, index) {
			panic(fmt.Sprintf("api: in %s another %s hides %s.%s; rename one of them", whole, field.Name, part, field.Name))
		}
		if isFlat(field) && field.Type.Kind() == reflect.Struct {
			refuseHidden(whole, field.Type, index)
		}
	}
}

// isFlat reports whether a field is embedded so that its members are those of the struct around it.
func isFlat(field reflect.StructField) bool { return field.Anonymous && field.Tag.Get("json") == "" }

// jsonFields returns the fields of struct type t that JSON shows, those of embedded structs among them.
func jsonFields(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for _, field := range reflect.VisibleFields(t) {
		embedded := isFlat(field)
		if embedded && field.Type.Kind() == reflect.Pointer {
			panic(fmt.Sprintf("api: %s embeds a pointer", t))
		}
		if field.IsExported() && !embedded && jsonName(field) != "-" {
			fields = append(fields, field)
		}
	}
	return fields
}

// jsonName returns the name of a field in JSON. It panics for a field that names none: a Go name would
// slip into the API.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		panic(fmt.Sprintf("api: field %s has no name in its json tag", field.Name))
	}
	return name
}

func bounds(least, most *int) (lower, upper int) {
	if least != nil {
		lower = *least
	}
	if most != nil {
		upper = *most
	}
	return lower, upper
}
