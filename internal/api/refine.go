package api

import (
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

// refine adds to the schema of t what huma cannot know: the form of our ids, what money is, and that
// lists are never null.
func (b *book) refine(t reflect.Type, s *huma.Schema) {
	if s == nil {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s.Ref != "" {
		if b.refined[s.Ref] {
			return
		}
		b.refined[s.Ref] = true
		s = b.registry.SchemaFromRef(s.Ref)
	}
	switch {
	case isID(t):
		s.Pattern = "^" + idPrefix(t) + "_[0-9a-hjkmnp-tv-z]{26}$"
		if len(s.Examples) == 0 {
			s.Examples = []any{idPrefix(t) + "_01kanq4j3qf8yt0v5d7r2m9xce"}
		}
	case t == reflect.TypeFor[money.Currency]():
		refineCurrency(s)
	case t == reflect.TypeFor[clock.Date]():
		s.Format = "date"
	case t.Kind() == reflect.Slice && s.Type == huma.TypeArray:
		s.Nullable = false
		b.refine(t.Elem(), s.Items)
	case t.Kind() == reflect.Map:
		if elem, ok := s.AdditionalProperties.(*huma.Schema); ok {
			b.refine(t.Elem(), elem)
		}
	case t.Kind() == reflect.Struct && s.Type == huma.TypeObject:
		for _, field := range jsonFields(t) {
			property := s.Properties[jsonName(field)]
			b.refine(field.Type, property)
			refineAmount(t, field, property)
		}
	}
	s.PrecomputeMessages()
}

func refineCurrency(s *huma.Schema) {
	s.Pattern = "^[A-Z]{3,5}$"
	if s.Description == "" {
		s.Description = "Currency, ISO 4217 code, or digital asset."
	}
	if len(s.Examples) == 0 {
		s.Examples = []any{"CNY"}
	}
}

// refineAmount documents the whole number of a money.Amount. A tag minimum on an embedded Amount counts.
func refineAmount(t reflect.Type, field reflect.StructField, s *huma.Schema) {
	parent, tag := t, reflect.StructTag("")
	if depth := len(field.Index) - 1; depth > 0 {
		embedded := t.FieldByIndex(field.Index[:depth])
		parent, tag = embedded.Type, embedded.Tag
	}
	if parent != reflect.TypeFor[money.Amount]() || field.Type.Kind() != reflect.Int64 {
		return
	}
	s.Description = "Whole minor units of the currency: 1999 is 19.99 CNY."
	s.Examples = []any{1999}
	s.Minimum, s.Maximum = new(0.0-money.MaxMinor), new(0.0+money.MaxMinor)
	if least, err := strconv.ParseFloat(tag.Get("minimum"), 64); err == nil {
		s.Minimum = &least
	}
	s.PrecomputeMessages()
}
