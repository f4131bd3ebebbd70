package httpsig

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/dunglas/httpsfv"
)

// signatureBase builds the text that is signed (RFC 9421 §2.5): one line for each component in
// order, and the parameters as the last line.
func signatureBase(message Message, covered httpsfv.InnerList) ([]byte, error) {
	var base strings.Builder
	seen := make(map[string]bool, len(covered.Items))
	for _, item := range covered.Items {
		name, err := marshal(item)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, errors.New("a component is covered twice")
		}
		seen[name] = true
		value, err := component(message, item)
		if err != nil {
			return nil, fmt.Errorf("component %s: %w", name, err)
		}
		base.WriteString(name + ": " + value + "\n")
	}
	parameters, err := marshal(covered)
	if err != nil {
		return nil, err
	}
	base.WriteString(`"@signature-params": ` + parameters)
	return []byte(base.String()), nil
}

// component returns the value of one covered component. The component parameters req and key are
// known; any other one is refused, since its meaning would be lost.
func component(message Message, item httpsfv.Item) (string, error) {
	name, ok := item.Value.(string)
	if !ok {
		return "", errors.New("a component's name is a string")
	}
	key, named := "", ""
	for _, parameter := range item.Params.Names() {
		value, _ := item.Params.Get(parameter)
		switch parameter {
		case "req":
			if value != true || message.Request == nil {
				return "", errors.New("req without a request")
			}
			message = *message.Request
		case "key":
			if key, ok = value.(string); !ok {
				return "", errors.New("key is a string")
			}
		case "name":
			if named, ok = value.(string); !ok || name != componentParam {
				return "", errors.New("name is a string, on @query-param")
			}
		default:
			return "", errors.New("unknown component parameter")
		}
	}
	if name == componentParam {
		return queryParameter(message, named)
	}
	if strings.HasPrefix(name, "@") {
		if key != "" {
			return "", errors.New("key on a derived component")
		}
		return derived(message, name)
	}
	if key != "" {
		return memberValue(message.Header, name, key)
	}
	return fieldValue(message.Header, name)
}

// derived returns a derived component (RFC 9421 §2.2).
func derived(message Message, name string) (string, error) {
	if name == componentStat {
		if message.Status == 0 {
			return "", errors.New("a request has no status")
		}
		return strconv.Itoa(message.Status), nil
	}
	if message.Status != 0 {
		return "", errors.New("an answer has no such component")
	}
	switch name {
	case "@method":
		return message.Method, nil
	case "@authority":
		return message.Authority, nil
	case "@path":
		if message.Path == "" {
			return "/", nil
		}
		return message.Path, nil
	case "@query":
		return "?" + message.RawQuery, nil
	case "@scheme":
		return message.Scheme, nil
	case "@request-target":
		return message.target(), nil
	case "@target-uri":
		return message.Scheme + "://" + message.Authority + message.target(), nil
	}
	return "", errors.New("unknown derived component")
}

// target is what stands in the request line: the path and, where there is one, the query.
func (m Message) target() string {
	path := m.Path
	if path == "" {
		path = "/"
	}
	if m.RawQuery != "" {
		return path + "?" + m.RawQuery
	}
	return path
}

// queryParameter returns one parameter of the query, encoded again (RFC 9421 §2.2.8). One that is there twice is
// refused: the RFC wants it covered twice, and nobody here reads such a query.
func queryParameter(message Message, named string) (string, error) {
	if message.Status != 0 {
		return "", errors.New("an answer has no such component")
	}
	query, err := url.ParseQuery(message.RawQuery)
	if err != nil {
		return "", errors.New("the query is not well formed")
	}
	name, err := url.QueryUnescape(named)
	if err != nil || len(query[name]) != 1 {
		return "", errors.New("the query has no such parameter, or has it twice")
	}
	return strings.ReplaceAll(url.QueryEscape(query[name][0]), "+", "%20"), nil
}

// fieldValue returns a header field as it is signed: its lines trimmed and joined (RFC 9421 §2.1).
func fieldValue(header http.Header, name string) (string, error) {
	if name != strings.ToLower(name) {
		return "", errors.New("field names are lower case")
	}
	lines := header.Values(name)
	if len(lines) == 0 {
		return "", errors.New("no such field")
	}
	trimmed := make([]string, len(lines))
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n") {
			return "", errors.New("a field has a line break")
		}
		trimmed[i] = strings.Trim(line, " \t")
	}
	return strings.Join(trimmed, ", "), nil
}

// memberValue returns one member of a dictionary field, serialized again (RFC 9421 §2.1.2).
func memberValue(header http.Header, name, key string) (string, error) {
	dictionary, err := field(header, name)
	if err != nil {
		return "", err
	}
	member, ok := dictionary.Get(key)
	if !ok {
		return "", errors.New("no such member")
	}
	value, ok := member.(httpsfv.StructuredFieldValue)
	if !ok {
		return "", errors.New("not a structured field")
	}
	return marshal(value)
}

// labeled is one signature of a message.
type labeled struct {
	covered httpsfv.InnerList
	bytes   []byte
}

// findSignature returns the signature whose keyid is keyID; several labels may stand side by side.
func findSignature(header http.Header, keyID string) (labeled, error) {
	inputs, err := field(header, headerInput)
	if err != nil {
		return labeled{}, err
	}
	signatures, err := field(header, headerSignature)
	if err != nil {
		return labeled{}, err
	}
	for _, name := range inputs.Names() {
		member, _ := inputs.Get(name)
		covered, ok := member.(httpsfv.InnerList)
		if !ok {
			continue
		}
		if id, ok := text(covered.Params, paramKeyID); !ok || id != keyID {
			continue
		}
		member, _ = signatures.Get(name)
		if item, ok := member.(httpsfv.Item); ok {
			if bytes, ok := item.Value.([]byte); ok {
				return labeled{covered: covered, bytes: bytes}, nil
			}
		}
	}
	return labeled{}, errors.New("no signature with the expected key id")
}

// covers reports a required component that is not among the covered ones.
func covers(covered httpsfv.InnerList, items []httpsfv.Item) error {
	names := make(map[string]bool, len(covered.Items))
	for _, item := range covered.Items {
		name, err := marshal(item)
		if err != nil {
			return err
		}
		names[name] = true
	}
	for _, item := range items {
		name, err := marshal(item)
		if err != nil {
			return err
		}
		if !names[name] {
			return fmt.Errorf("component %s is not signed", name)
		}
	}
	return nil
}

// field reads a dictionary field (RFC 9651 §3.2) of at most HeaderMax bytes.
func field(header http.Header, name string) (*httpsfv.Dictionary, error) {
	lines, size := header.Values(name), 0
	for _, line := range lines {
		size += len(line)
	}
	if size == 0 || size > HeaderMax {
		return nil, fmt.Errorf("field %s is missing or too long", name)
	}
	dictionary, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return nil, fmt.Errorf("field %s is not a dictionary: %w", name, err)
	}
	return dictionary, nil
}

func setField(header http.Header, name string, value httpsfv.StructuredFieldValue) error {
	line, err := marshal(value)
	if err == nil {
		header.Set(name, line)
	}
	return err
}

func marshal(value httpsfv.StructuredFieldValue) (string, error) {
	line, err := httpsfv.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("write a structured field: %w", err)
	}
	return line, nil
}

func integer(p *httpsfv.Params, name string) (int64, bool) {
	value, _ := p.Get(name)
	number, ok := value.(int64)
	return number, ok
}

func text(p *httpsfv.Params, name string) (string, bool) {
	value, _ := p.Get(name)
	s, ok := value.(string)
	return s, ok
}
