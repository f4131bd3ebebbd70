package api

import (
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Codes of requests that do not fit their schema.
const (
	codeBadField     = "request.bad_field"
	codeUnknownField = "request.unknown_field"
	codeMissingField = "request.missing_field"
	codeBadEncoding  = "request.bad_encoding"
)

// textRules is what a schema asks of a string, and how the string becomes a value.
type textRules struct {
	set      func(v reflect.Value, s string) error
	min, max int // characters; max 0 is no limit
	pattern  *regexp.Regexp
	enum     []string
	format   *huma.Schema // nil unless huma has a check for the format
	registry huma.Registry
}

// numberRules is what a schema asks of a whole number.
type numberRules struct {
	min, max int64
	enum     []string
	unsigned bool
}

// read checks s and sets v to it.
func (t *textRules) read(v reflect.Value, s string) error {
	// PostgreSQL cannot store the character 0, and no name or note needs it.
	if strings.IndexByte(s, 0) >= 0 {
		return fault.New(fault.Invalid, codeBadEncoding, "a text may not hold the character 0")
	}
	if t.min > 0 || t.max > 0 {
		if n := utf8.RuneCountInString(s); n < t.min || (t.max > 0 && n > t.max) {
			return badField(t.lengths())
		}
	}
	if len(t.enum) > 0 && !slices.Contains(t.enum, s) {
		return badField("must be one of " + strings.Join(t.enum, ", "))
	}
	if t.pattern != nil && !t.pattern.MatchString(s) {
		return badField("must match " + t.pattern.String())
	}
	if t.format != nil {
		var result huma.ValidateResult
		huma.Validate(t.registry, t.format, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, s, &result)
		if len(result.Errors) > 0 {
			return badField("must be of the form " + t.format.Format)
		}
	}
	return t.set(v, s)
}

func (t *textRules) lengths() string {
	if t.max == 0 {
		return fmt.Sprintf("must have at least %d characters", t.min)
	}
	return fmt.Sprintf("must have %d to %d characters", t.min, t.max)
}

// read checks the digits s and sets v to the number. Only plain whole numbers pass: no 1.0, no 1e3.
func (n *numberRules) read(v reflect.Value, s string) error {
	number, err := strconv.ParseInt(s, 10, 64)
	if err != nil && errors.Is(err, strconv.ErrSyntax) {
		return badField("must be a whole number without point or exponent")
	}
	if err != nil || number < n.min || number > n.max || overflows(v, number) {
		return badField(fmt.Sprintf("must be a whole number from %d to %d", n.min, n.max))
	}
	if len(n.enum) > 0 && !slices.Contains(n.enum, strconv.FormatInt(number, 10)) {
		return badField("must be one of " + strings.Join(n.enum, ", "))
	}
	if n.unsigned {
		v.SetUint(uint64(number)) //nolint:gosec // min is at least 0 here
	} else {
		v.SetInt(number)
	}
	return nil
}

func overflows(v reflect.Value, number int64) bool {
	if v.CanInt() {
		return v.OverflowInt(number)
	}
	return number < 0 || v.OverflowUint(uint64(number))
}

// compileText returns the rules for strings of type t.
func compileText(r huma.Registry, t reflect.Type, s *huma.Schema) *textRules {
	rules := &textRules{set: textSetter(t), enum: texts(s.Enum), registry: r}
	if s.MinLength != nil {
		rules.min = *s.MinLength
	}
	if s.MaxLength != nil {
		rules.max = *s.MaxLength
	}
	// Ids and currencies check themselves, faster than their documented patterns.
	if s.Pattern != "" && !isID(t) && t != reflect.TypeFor[money.Currency]() {
		rules.pattern = regexp.MustCompile(s.Pattern)
	}
	if s.Format != "" && t.Kind() == reflect.String && t != reflect.TypeFor[clock.Date]() {
		rules.format = &huma.Schema{Type: huma.TypeString, Format: s.Format}
	}
	return rules
}

// compileNumber returns the rules for whole numbers of kind.
func compileNumber(kind reflect.Kind, s *huma.Schema) *numberRules {
	rules := &numberRules{min: -money.MaxMinor, max: money.MaxMinor, enum: texts(s.Enum)}
	if kind >= reflect.Uint && kind <= reflect.Uint64 {
		rules.unsigned, rules.min = true, 0
	}
	if s.Minimum != nil {
		rules.min = max(rules.min, int64(*s.Minimum))
	}
	if s.Maximum != nil {
		rules.max = min(rules.max, int64(*s.Maximum))
	}
	if s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil {
		panic("api: whole numbers have minimum, maximum and enum only")
	}
	return rules
}

func texts(enum []any) []string {
	out := make([]string, len(enum))
	for i, value := range enum {
		out[i] = fmt.Sprint(value)
	}
	return out
}

// textSetter returns how a string becomes a value of type t; nil if it cannot.
func textSetter(t reflect.Type) func(v reflect.Value, s string) error {
	switch {
	case isID(t):
		prefix := idPrefix(t) + "_"
		return func(v reflect.Value, s string) error { return setID(v, s, prefix) }
	case t == reflect.TypeFor[money.Currency]():
		return func(v reflect.Value, s string) error {
			_, err := money.ParseCurrency(s)
			v.SetString(s)
			return withoutParam(err)
		}
	case t == reflect.TypeFor[clock.Date]():
		return func(v reflect.Value, s string) error {
			if _, err := clock.ParseDate(s); err != nil {
				return badField("must be a day of the calendar, YYYY-MM-DD")
			}
			v.SetString(s)
			return nil
		}
	case t == reflect.TypeFor[time.Time]():
		return setTime
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return setUnmarshaler
	case t.Kind() == reflect.String:
		return func(v reflect.Value, s string) error { v.SetString(s); return nil }
	case t == reflect.TypeFor[[]byte]():
		return func(v reflect.Value, s string) error {
			raw, err := base64.StdEncoding.Strict().DecodeString(s)
			if err != nil {
				return badField("must be base64")
			}
			v.SetBytes(raw)
			return nil
		}
	}
	return nil
}

// setID is id.Parse for a kind that is only known at run time.
func setID(v reflect.Value, s, prefix string) error {
	rest, ok := strings.CutPrefix(s, prefix)
	if ok {
		_, err := id.Parse[anyID]("_" + rest)
		ok = err == nil
	}
	if !ok {
		return badField("must be an id of the form " + prefix + "…")
	}
	v.SetString(s)
	return nil
}

// anyID is an id without its prefix.
type anyID string

// Prefix returns "".
func (anyID) Prefix() string { return "" }

// setTime reads an instant, RFC 3339, and cuts it to the microseconds that are stored.
func setTime(v reflect.Value, s string) error {
	at, err := time.Parse(time.RFC3339Nano, s)
	// Years beyond these do not come back from the database as they went in.
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return badField("must be an instant such as 2026-11-22T08:30:00Z, RFC 3339")
	}
	v.Set(reflect.ValueOf(at.UTC().Truncate(time.Microsecond)))
	return nil
}

func setUnmarshaler(v reflect.Value, s string) error {
	target, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	if !ok {
		return badField("cannot be read")
	}
	err := target.UnmarshalText([]byte(s))
	if known, ok := errors.AsType[*fault.Fault](err); ok {
		return withoutParam(known)
	}
	if err != nil {
		return badField("is not of the right form")
	}
	return nil
}

// isID reports whether t is an id of ours: a string that knows its prefix.
func isID(t reflect.Type) bool {
	return t.Kind() == reflect.String && t.Implements(reflect.TypeFor[interface{ Prefix() string }]())
}

func idPrefix(t reflect.Type) string {
	if kind, ok := reflect.TypeAssert[interface{ Prefix() string }](reflect.Zero(t)); ok {
		return kind.Prefix()
	}
	return ""
}

func badField(message string) error { return fault.New(fault.Invalid, codeBadField, message) }

// withoutParam drops the name a value gave itself: the reader knows the whole path.
func withoutParam(err error) error {
	if known, ok := errors.AsType[*fault.Fault](err); ok {
		return known.WithParam("")
	}
	return err
}

// within puts the name of the member in front of the path of a fault below it.
func within(name string, err error) error {
	known, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	switch {
	case known.Param == "":
		return known.WithParam(name)
	case known.Param[0] == '[':
		return known.WithParam(name + known.Param)
	}
	return known.WithParam(name + "." + known.Param)
}
