package api

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/feiqian/feiqian/internal/fault"
)

// keptMax is the largest body buffer that is used again.
const keptMax = 128 << 10

// Checker is a request, a body or an embedded part of them that checks itself when all members are read: what the
// tags cannot say. Errors: faults of kind Invalid, with the Param of the member.
type Checker interface{ Check() error }

// plan reads the requests of one endpoint.
type plan struct {
	params  []param
	body    *node
	index   []int // of Body
	checks  [][]int
	bodyMax int64
}

// param is one member of a request that is not in the body.
type param struct {
	in, name string // in is path, query or header
	index    []int
	node     *node
	required bool
	missing  string // code when it is not there
	fallback string
}

// bodyBuffer holds one body while it is decoded; nothing of it is kept in the request.
type bodyBuffer struct {
	bytes   bytes.Buffer
	decoder *jsontext.Decoder
}

func newBodyBuffer() *bodyBuffer {
	b := &bodyBuffer{}
	b.decoder = jsontext.NewDecoder(&b.bytes)
	return b
}

// read fills the request struct v. Errors: faults with code request.….
func (p *plan) read(x *exchange, v reflect.Value) error {
	query, err := p.query(x.request.URL)
	if err != nil {
		return err
	}
	for i := range p.params {
		if err := p.params[i].read(x.request, query, v); err != nil {
			return err
		}
	}
	if err := p.readBody(x, v); err != nil {
		return err
	}
	for _, index := range p.checks {
		part := v
		if len(index) > 0 {
			part = v.FieldByIndex(index)
		}
		if checker, ok := reflect.TypeAssert[Checker](part.Addr()); ok {
			if err := checker.Check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// query returns the query parameters, each known and given once.
func (p *plan) query(u *url.URL) (url.Values, error) {
	if u.RawQuery == "" {
		return nil, nil //nolint:nilnil // no values are values
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Invalid, codeBadEncoding, "the query is not well formed")
	}
	unknown := ""
	for name := range values {
		if !p.knows(name) && (unknown == "" || name < unknown) {
			unknown = name
		}
	}
	if unknown != "" {
		return nil, fault.New(fault.Invalid, "request.unknown_parameter", "this query parameter is not known here").
			WithParam(strings.ToValidUTF8(unknown[:min(len(unknown), nameMax)], "")).
			WithHint("remove the parameter or correct its name")
	}
	return values, nil
}

func (p *plan) knows(name string) bool {
	for i := range p.params {
		if p.params[i].in == "query" && p.params[i].name == name {
			return true
		}
	}
	return false
}

// read takes one parameter into its member of v.
func (p *param) read(r *http.Request, query url.Values, v reflect.Value) error {
	value, given, err := p.find(r, query)
	if err != nil {
		return err
	}
	if !given {
		if p.required {
			return fault.New(fault.Invalid, p.missing, "this parameter is missing").WithParam(p.name)
		}
		if p.fallback == "" {
			return nil
		}
		value = p.fallback
	}
	if !utf8.ValidString(value) {
		return fault.New(fault.Invalid, codeBadEncoding, "this parameter is not UTF-8").WithParam(p.name)
	}
	if err := p.node.readText(v.FieldByIndex(p.index), value); err != nil {
		return within(p.name, err)
	}
	return nil
}

// find returns the one value of the parameter and whether there is one.
func (p *param) find(r *http.Request, query url.Values) (string, bool, error) {
	var values []string
	switch p.in {
	case "path":
		return r.PathValue(p.name), true, nil
	case "query":
		values = query[p.name]
	case "header":
		values = r.Header[p.name]
	}
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	return "", false, fault.New(fault.Invalid, "request.repeated_parameter", "this parameter is there twice").
		WithParam(p.name)
}

// readText takes the value of a parameter into v; lists are separated by commas.
func (n *node) readText(v reflect.Value, s string) error {
	switch {
	case n.text != nil:
		return n.text.read(v, s)
	case n.number != nil:
		return n.number.read(v, s)
	case n.elem == nil:
		if s != "true" && s != "false" {
			return badField("must be true or false")
		}
		v.SetBool(s == "true")
		return nil
	}
	parts := strings.Split(s, ",")
	if n.max > 0 && len(parts) > n.max {
		return badField("has too many elements")
	}
	list := reflect.MakeSlice(n.typ, len(parts), len(parts))
	for i, part := range parts {
		if err := n.elem.readText(list.Index(i), part); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// readBody reads and decodes the body, if the endpoint has one.
func (p *plan) readBody(x *exchange, v reflect.Value) error {
	if p.body == nil {
		if x.request.ContentLength != 0 && x.request.Body != http.NoBody {
			return fault.New(fault.Invalid, "request.unexpected_body", "this route takes no body")
		}
		return nil
	}
	if err := checkMedia(x.request.Header); err != nil {
		return err
	}
	buffer, ok := x.server.buffers.Get().(*bodyBuffer)
	if !ok {
		buffer = newBodyBuffer()
	}
	defer func() {
		if buffer.bytes.Cap() <= keptMax {
			x.server.buffers.Put(buffer)
		}
	}()
	buffer.bytes.Reset()
	if err := fill(buffer, x, p.bodyMax); err != nil {
		return err
	}
	return p.body.decode(buffer, v.FieldByIndex(p.index))
}

// fill reads a whole body of at most limit bytes.
func fill(buffer *bodyBuffer, x *exchange, limit int64) error {
	if x.request.ContentLength > limit {
		return tooLarge(limit) // net/http hangs up without reading the rest
	}
	// The reader must know net/http's own writer, to hang up after the answer.
	_, err := buffer.bytes.ReadFrom(http.MaxBytesReader(x.ResponseWriter, x.request.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(limit)
	}
	if err != nil {
		return fault.New(fault.Invalid, "request.body_incomplete", "the body did not arrive whole").WithCause(err)
	}
	if buffer.bytes.Len() == 0 {
		return fault.New(fault.Invalid, "request.body_missing", "this route wants a JSON body")
	}
	return nil
}

func tooLarge(limit int64) error {
	return fault.Newf(fault.TooLarge, "request.too_large", "a body here has at most %d bytes", limit)
}

// checkMedia refuses all bodies but plain JSON.
func checkMedia(header http.Header) error {
	if len(header["Content-Encoding"]) > 0 {
		return fault.New(fault.Invalid, codeUnsupportedMedia, "the body may not be compressed")
	}
	types := header["Content-Type"]
	if len(types) == 1 {
		if types[0] == "application/json" {
			return nil
		}
		media, parameters, err := mime.ParseMediaType(types[0])
		charset, hasCharset := parameters["charset"]
		if err == nil && media == "application/json" && (!hasCharset || strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	return fault.New(fault.Invalid, codeUnsupportedMedia, "the body must be application/json in UTF-8").
		WithHint("send Content-Type: application/json")
}
