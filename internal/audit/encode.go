package audit

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// secretNames are members that no record holds, whoever hands them in. Types keep secrets out by themselves
// (`json:"-"`); this is the second net.
func secretNames() []string {
	return []string{
		"password", "password_hash", "pin", "mac", "secret", "secret_hash", "token", "token_hash", "otp", "totp", "code",
		"pan", "card_number", "cvv", "document_number", "bank_token",
	}
}

// encode returns v as JSON with members in order and without secrets; "" for nil.
func encode(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	return withoutSecrets(text)
}

// withoutSecrets writes a JSON text again and leaves the members out that are secrets.
func withoutSecrets(text jsontext.Value) (string, error) {
	switch text.Kind() { //nolint:exhaustive // all others hold nothing else
	case '{':
		members := map[string]jsontext.Value{}
		if err := json.Unmarshal(text, &members); err != nil {
			return "", err
		}
		for name, member := range members {
			if slices.Contains(secretNames(), name) {
				delete(members, name)
				continue
			}
			inner, err := withoutSecrets(member)
			if err != nil {
				return "", err
			}
			members[name] = jsontext.Value(inner)
		}
		out, err := json.Marshal(members, json.Deterministic(true))
		return string(out), err
	case '[':
		var elements []jsontext.Value
		if err := json.Unmarshal(text, &elements); err != nil {
			return "", err
		}
		for i := range elements {
			inner, err := withoutSecrets(elements[i])
			if err != nil {
				return "", err
			}
			elements[i] = jsontext.Value(inner)
		}
		out, err := json.Marshal(elements)
		return string(out), err
	default:
		return string(text), nil
	}
}
