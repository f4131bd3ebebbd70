// Package apiversion writes answers and events of /v1 in the forms of earlier dated versions.
//
// The house knows the newest form only. A version that changed the form of something has a change in the table below,
// which turns the newer form back into the older one; a caller of an older version gets all changes since, newest
// first. A change is made here in the commit that makes it in the house. Additions change nothing: callers leave out of
// account what they don't know.
package apiversion

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Header is in which version a request wants its answer, and in which an answer is.
const Header = "Feiqian-Version"

// change is what a version changed. back turns an object of the newer form, known by the prefix of its id, into the
// older one.
type change struct {
	version string
	what    string
	back    func(prefix string, object map[string]any)
}

// changes are all that was changed, newest first.
var changes = []change{ //nolint:gochecknoglobals // a table
	{
		version: "2026-12-01",
		what: "Links, codes and parts of split rules leave out amount, uses_max and bps where there is none; " +
			"before, they said 0.",
		back: zeros,
	},
}

// first is the oldest version.
const first = "2026-11-23"

// Versions are the dated versions, oldest first.
func Versions() []string {
	out := []string{first}
	for _, c := range slices.Backward(changes) {
		out = append(out, c.version)
	}
	return out
}

// Newest is the version that the house speaks.
func Newest() string { return changes[0].version }

// History says in one text what each version changed.
func History() string {
	var out strings.Builder
	for _, c := range changes {
		out.WriteString(c.version + ": " + c.what + "\n\n")
	}
	return strings.TrimSpace(out.String())
}

// Known reports whether there is such a version.
func Known(version string) bool { return slices.Contains(Versions(), version) }

// ErrNotJSON says that a body can't be written in another form.
var ErrNotJSON = errors.New("apiversion: this is no JSON")

// Back writes a JSON body of the newest form in the form of a version. The newest one is returned as it is. Errors:
// ErrNotJSON.
func Back(body []byte, version string) ([]byte, error) {
	if version == Newest() {
		return body, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, ErrNotJSON
	}
	for _, c := range changes {
		if c.version > version {
			walk(value, c.back)
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, ErrNotJSON
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// walk changes every object that has an id. A merchant's metadata are its own words, whatever they look like.
func walk(value any, back func(prefix string, object map[string]any)) {
	switch value := value.(type) {
	case []any:
		for _, one := range value {
			walk(one, back)
		}
	case map[string]any:
		for name, one := range value {
			if name != "metadata" {
				walk(one, back)
			}
		}
		if id, ok := value["id"].(string); ok {
			prefix, _, _ := strings.Cut(id, "_")
			back(prefix, value)
		}
	}
}

func zeros(prefix string, object map[string]any) {
	zero := func(object map[string]any, name string) {
		if _, there := object[name]; !there {
			object[name] = json.Number("0")
		}
	}
	switch prefix {
	case "plk":
		zero(object, "amount")
		zero(object, "uses_max")
	case "qrc":
		zero(object, "amount")
	case "spr":
		parts, _ := object["splits"].([]any)
		for _, part := range parts {
			if part, ok := part.(map[string]any); ok {
				zero(part, "amount")
				zero(part, "bps")
			}
		}
	}
}
