package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/fault"
)

// nameMax cuts the names of unknown members in our answers.
const nameMax = 64

// node reads one JSON value of one Go type in one pass, checking it against its schema on the way.
type node struct {
	typ      reflect.Type // without the pointer
	pointer  bool
	nullable bool
	kind     jsontext.Kind // of the value it wants: { [ " 0 t, or 0 for any
	text     *textRules
	number   *numberRules
	elem     *node // of a list or a dictionary
	min, max int   // elements; max 0 is no limit
	object   *object
}

// object is the members of a struct type.
type object struct {
	members  map[string]*member
	required uint64 // bits of members
}

// member is one member of an object.
type member struct {
	name  string
	index []int
	bit   uint64
	node  *node
}

// decode reads a whole body into v. Errors: request.bad_encoding, bad_json, unknown_field, missing_field,
// duplicate_field and bad_field, with the path of the member.
func (n *node) decode(body *bodyBuffer, v reflect.Value) error {
	if !utf8.Valid(body.bytes.Bytes()) {
		return fault.New(fault.Invalid, codeBadEncoding, "the body is not UTF-8")
	}
	d := body.decoder
	d.Reset(&body.bytes)
	if err := n.read(d, v); err != nil {
		return jsonFault(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "request.bad_json", "there is something after the JSON value")
	}
	return nil
}

// read takes the next value of d into v.
func (n *node) read(d *jsontext.Decoder, v reflect.Value) error {
	kind := d.PeekKind()
	if kind == 'n' && n.nullable {
		_, err := d.ReadToken()
		return err
	}
	if kind == 'f' {
		kind = 't'
	}
	if n.kind != 0 && kind != n.kind {
		return n.wrongKind(d)
	}
	if n.pointer {
		v.Set(reflect.New(n.typ))
		v = v.Elem()
	}
	switch {
	case n.object != nil:
		return n.readObject(d, v)
	case n.kind == '[':
		return n.readList(d, v)
	case n.kind == '{':
		return n.readDictionary(d, v)
	}
	return n.readScalar(d, v)
}

// readScalar takes a string, number, boolean or raw value.
func (n *node) readScalar(d *jsontext.Decoder, v reflect.Value) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch {
	case n.text != nil:
		s, err := unquoted(raw)
		if err != nil {
			return err
		}
		return n.text.read(v, s)
	case n.number != nil:
		return n.number.read(v, string(raw))
	case n.kind == 't':
		v.SetBool(raw[0] == 't')
		return nil
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil { // json.RawMessage copies
		return badField("is not of the right form")
	}
	return nil
}

func (n *node) readObject(d *jsontext.Decoder, v reflect.Value) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	var seen uint64
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return err
		}
		m, err := n.object.member(quoted)
		if err != nil {
			return err
		}
		if err := m.node.read(d, v.FieldByIndex(m.index)); err != nil {
			return within(m.name, err)
		}
		seen |= m.bit
	}
	if missing := n.object.required &^ seen; missing != 0 {
		return n.object.missing(missing)
	}
	_, err := d.ReadToken()
	return err
}

// member finds the member of a quoted name.
func (o *object) member(quoted jsontext.Value) (*member, error) {
	if m, ok := o.members[string(quoted[1:len(quoted)-1])]; ok {
		return m, nil
	}
	name, err := unquoted(quoted)
	if err != nil {
		return nil, err
	}
	if m, ok := o.members[name]; ok { // written with escapes
		return m, nil
	}
	if runes := []rune(name); len(runes) > nameMax {
		name = string(runes[:nameMax]) + "…"
	}
	return nil, fault.New(fault.Invalid, codeUnknownField, "this member is not known here").
		WithParam(name).WithHint("remove the member or correct its name")
}

// missing names the first member, by name, that is not there.
func (o *object) missing(bits uint64) error {
	first := ""
	for name, m := range o.members {
		if m.bit&bits != 0 && (first == "" || name < first) {
			first = name
		}
	}
	return fault.New(fault.Invalid, codeMissingField, "this member is missing").WithParam(first)
}

func (n *node) readList(d *jsontext.Decoder, v reflect.Value) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	list := reflect.MakeSlice(n.typ, 0, 4)
	for i := 0; d.PeekKind() != ']'; i++ {
		if n.max > 0 && i == n.max {
			return badField(fmt.Sprintf("must have at most %d elements", n.max))
		}
		list = reflect.Append(list, reflect.Zero(n.typ.Elem()))
		if err := n.elem.read(d, list.Index(i)); err != nil {
			return within("["+strconv.Itoa(i)+"]", err)
		}
	}
	if list.Len() < n.min {
		return badField(fmt.Sprintf("must have at least %d elements", n.min))
	}
	v.Set(list)
	_, err := d.ReadToken()
	return err
}

func (n *node) readDictionary(d *jsontext.Decoder, v reflect.Value) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	dictionary := reflect.MakeMap(n.typ)
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return err
		}
		name, err := unquoted(quoted)
		if err != nil {
			return err
		}
		if strings.IndexByte(name, 0) >= 0 {
			return fault.New(fault.Invalid, codeBadEncoding, "a text may not hold the character 0")
		}
		if n.max > 0 && dictionary.Len() == n.max {
			return badField(fmt.Sprintf("must have at most %d members", n.max))
		}
		value := reflect.New(n.typ.Elem()).Elem()
		if err := n.elem.read(d, value); err != nil {
			return within(name, err)
		}
		dictionary.SetMapIndex(reflect.ValueOf(name).Convert(n.typ.Key()), value)
	}
	if dictionary.Len() < n.min {
		return badField(fmt.Sprintf("must have at least %d members", n.min))
	}
	v.Set(dictionary)
	_, err := d.ReadToken()
	return err
}

// wrongKind says what the value should have been; or what is wrong with the JSON, if that is the reason.
func (n *node) wrongKind(d *jsontext.Decoder) error {
	if _, err := d.ReadValue(); err != nil {
		return err
	}
	switch {
	case n.kind == '{':
		return badField("must be an object")
	case n.kind == '[':
		return badField("must be an array")
	case n.text != nil:
		return badField("must be a string")
	case n.number != nil:
		return badField("must be a whole number, not quoted")
	}
	return badField("must be true or false")
}

// unquoted returns the string of a JSON string; cheap where nothing is escaped.
func unquoted(raw jsontext.Value) (string, error) {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	s, err := jsontext.AppendUnquote(nil, raw)
	return string(s), err
}

// jsonFault returns what is wrong with the JSON itself; faults pass.
func jsonFault(err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if ok && errors.Is(syntax.Err, jsontext.ErrDuplicateName) {
		return fault.New(fault.Invalid, "request.duplicate_field", "this member is there twice").
			WithParam(dotted(syntax.JSONPointer))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "request.bad_json", "the JSON ends too early")
	}
	if ok {
		return fault.Newf(fault.Invalid, "request.bad_json", "this is not JSON at byte %d", syntax.ByteOffset)
	}
	return fault.New(fault.Invalid, "request.bad_json", "this is not JSON").WithCause(err)
}

// dotted writes a JSON pointer as the paths of all other refusals: lines[0].amount.
func dotted(pointer jsontext.Pointer) string {
	path := ""
	for token := range pointer.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			token = "[" + token + "]"
		} else if path != "" {
			token = "." + token
		}
		path += token
	}
	return path
}
