package api

import (
	"encoding"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feiqian/feiqian/internal/fault"
)

// keyMax is the longest idempotency key.
const keyMax = 255

// Idempotent is embedded in the request of every act that moves money. The act is done once for each
// key of a caller and route.
type Idempotent struct {
	IdempotencyKey IdempotencyKey `header:"Idempotency-Key" required:"true" missing:"request.idempotency_key_missing"`
}

// IdempotencyKey is the caller's name for an act, 1 to 255 visible ASCII characters, without quotes.
type IdempotencyKey string

var _ encoding.TextUnmarshaler = (*IdempotencyKey)(nil)

// TransformSchema documents the header.
func (IdempotencyKey) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Description = "Your name for this act: 1 to 255 visible ASCII characters, bare or quoted. The same key and " +
		"request give the same answer, once done; kept 30 days."
	s.Examples = []any{"8e03978e-40d5-43dd-bc93-6894a57f9324"}
	return s
}

// UnmarshalText reads the header: the bare key, or the sf-string of the IETF draft (RFC 9651 §3.3.3); both forms
// of one key are the same. Errors: request.idempotency_key_bad.
func (k *IdempotencyKey) UnmarshalText(text []byte) error {
	s := strings.Trim(string(text), " \t")
	if strings.HasPrefix(s, `"`) {
		unquoted, ok := unquote(s)
		if !ok {
			return badKey()
		}
		s = unquoted
	}
	if s == "" || len(s) > keyMax || !visible(s) {
		return badKey()
	}
	*k = IdempotencyKey(s)
	return nil
}

// unquote reads an sf-string: only the quote and the backslash are escaped.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	if !strings.ContainsAny(inner, `"\`) {
		return inner, true
	}
	var out strings.Builder
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return "", false
		case '\\':
			i++
			if i == len(inner) || (inner[i] != '"' && inner[i] != '\\') {
				return "", false
			}
		}
		out.WriteByte(inner[i])
	}
	return out.String(), true
}

func badKey() error {
	return fault.New(fault.Invalid, "request.idempotency_key_bad",
		"an idempotency key is 1 to 255 visible ASCII characters").
		WithHint("use a fresh UUID for each act")
}
