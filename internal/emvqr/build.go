package emvqr

import (
	"strings"
	"unicode/utf8"
)

// Shop is what a code of ours says. Values too long for their field are cut; names and cities of other scripts go into
// the language template.
type Shop struct {
	Initiation Initiation
	// GlobalID names the scheme, a reverse domain, and Token what is paid there.
	GlobalID, Token string
	// Category is the merchant category code of ISO 18245, 0000 where it is not known.
	Category string
	// Currency is the number of ISO 4217; Amount a decimal, "" where the payer types it.
	Currency, Amount string
	Country          string
	Name, City       string
	// Language is that of Name and City, where they are not ASCII.
	Language string
	// Store, Reference, Terminal and Purpose are labels of the additional data; "" leaves one out.
	Store, Reference, Terminal, Purpose string
}

// Lengths of labels.
const (
	nameMax  = 25
	cityMax  = 15
	labelMax = 25
)

// ourAccount is the ID of our template: the first of 26 to 51.
const ourAccount = "26"

// New makes the code of a shop. Errors: those of Encode.
func New(shop Shop) (string, error) {
	fields := []Field{
		{ID: IDFormat, Value: "01"},
		{ID: IDInitiation, Value: string(shop.Initiation)},
		{ID: ourAccount, Fields: []Field{{ID: "00", Value: shop.GlobalID}, {ID: "01", Value: shop.Token}}},
		{ID: IDCategory, Value: or(shop.Category, "0000")},
		{ID: IDCurrency, Value: shop.Currency},
	}
	if shop.Amount != "" {
		fields = append(fields, Field{ID: IDAmount, Value: shop.Amount})
	}
	fields = append(fields,
		Field{ID: IDCountry, Value: shop.Country},
		Field{ID: IDName, Value: or(ascii(shop.Name, nameMax), "MERCHANT")},
		Field{ID: IDCity, Value: or(ascii(shop.City, cityMax), "ONLINE")})
	if labels := shop.labels(); len(labels) > 0 {
		fields = append(fields, Field{ID: IDAdditional, Fields: labels})
	}
	if name := Cut(shop.Name, nameMax); !isASCII(name) {
		local := []Field{{ID: "00", Value: or(shop.Language, "ZH")}, {ID: "01", Value: name}}
		if city := Cut(shop.City, cityMax); city != "" {
			local = append(local, Field{ID: "02", Value: city})
		}
		fields = append(fields, Field{ID: IDLanguage, Fields: local})
	}
	return Code{Fields: fields}.Encode()
}

// labels are the additional data, as many as fit into one field.
func (s Shop) labels() []Field {
	var out []Field
	left := valueMax
	for _, label := range []struct{ id, value string }{
		{"03", s.Store}, {"05", s.Reference}, {"07", s.Terminal}, {"08", s.Purpose},
	} {
		value := Cut(label.value, labelMax)
		size := head + utf8.RuneCountInString(value)
		if value == "" || size > left {
			continue
		}
		left -= size
		out = append(out, Field{ID: label.id, Value: value})
	}
	return out
}

// Cut returns the printable part of a text, at most limit characters.
func Cut(s string, limit int) string {
	var out []rune
	for _, r := range strings.TrimSpace(s) {
		if len(out) == limit {
			break
		}
		if printable(string(r)) {
			out = append(out, r)
		}
	}
	return strings.TrimSpace(string(out))
}

// ascii is Cut for the fields that every reader must show; "" for a text of another script.
func ascii(s string, limit int) string {
	if !isASCII(s) {
		return ""
	}
	return Cut(s, limit)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
