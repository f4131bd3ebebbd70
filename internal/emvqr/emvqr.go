// Package emvqr reads and writes the merchant-presented QR codes of EMVCo (EMV QR Code Specification for Payment
// Systems, Merchant-Presented Mode 1.0): text of fields, each an ID of two digits, a length of two digits counted in
// characters, and a value that is text or again fields.
//
// What a field is called, how long it may be and whether it must be there is data: table.go. parse.go reads,
// encode.go writes, build.go makes a code of a shop's facts. A code keeps the order and the unknown fields that it
// was read with: writing what was read gives the same bytes.
//
// Everything in a code is what a stranger printed: a name may hold script. It is never shown without escaping.
package emvqr

import (
	"slices"
	"strings"
)

// SizeMax is the most characters of a code (MPM 1.0 §4.1).
const SizeMax = 512

// IDs of fields that have a use here; table.go has them all.
const (
	IDFormat     = "00"
	IDInitiation = "01"
	IDCategory   = "52"
	IDCurrency   = "53"
	IDAmount     = "54"
	IDTip        = "55"
	IDTipFixed   = "56"
	IDTipPercent = "57"
	IDCountry    = "58"
	IDName       = "59"
	IDCity       = "60"
	IDPostal     = "61"
	IDAdditional = "62"
	IDCRC        = "63"
	IDLanguage   = "64"
)

// Field is one field: Value as it stands in the code, and for a template the fields in it.
type Field struct {
	ID     string
	Value  string
	Fields []Field
}

// Code is a code without its check sum, in the order in which it was read or made.
type Code struct {
	Fields []Field
}

// Initiation says how often a code is meant to be paid.
type Initiation string

// The points of initiation (MPM 1.0 table 4.4).
const (
	// Static codes are paid many times; the payer types the amount.
	Static Initiation = "11"
	// Dynamic codes are made for one payment.
	Dynamic Initiation = "12"
)

// Get returns the value of a field by its path of IDs: Get("62", "07") is the terminal label. "" where it is not there.
func (c Code) Get(path ...string) string {
	fields, value := c.Fields, ""
	for _, name := range path {
		at := slices.IndexFunc(fields, func(f Field) bool { return f.ID == name })
		if at < 0 {
			return ""
		}
		fields, value = fields[at].Fields, fields[at].Value
	}
	return value
}

// Initiation returns Static or Dynamic; a code that does not say is static, unless it names an amount.
func (c Code) Initiation() Initiation {
	switch said := Initiation(c.Get(IDInitiation)); {
	case said == Static, said == Dynamic:
		return said
	case c.Get(IDAmount) != "":
		return Dynamic
	}
	return Static
}

// Name is the merchant's name in the language asked for (ISO 639 alpha-2, any case), or else as field 59 has it.
func (c Code) Name(language string) string {
	if local := c.Get(IDLanguage, "01"); local != "" && strings.EqualFold(c.Get(IDLanguage, "00"), language) {
		return local
	}
	return c.Get(IDName)
}

// Account is one way to pay the merchant.
type Account struct {
	ID string
	// Network is whose ID it is; "" for templates, which have a GlobalID.
	Network  string
	GlobalID string
	Field    Field
}

// Accounts lists the ways to pay the merchant, as the code orders them.
func (c Code) Accounts() []Account {
	var out []Account
	for _, field := range c.Fields {
		if field.ID < accountFirst || field.ID > accountLast {
			continue
		}
		account := Account{ID: field.ID, Network: rootSpec(field.ID).network, Field: field}
		if len(field.Fields) > 0 {
			account.GlobalID = Code{field.Fields}.Get("00")
		}
		out = append(out, account)
	}
	return out
}

// Account returns the first template whose global id is name (any case), and whether there is one.
func (c Code) Account(name string) (Account, bool) {
	for _, account := range c.Accounts() {
		if account.GlobalID != "" && strings.EqualFold(account.GlobalID, name) {
			return account, true
		}
	}
	return Account{}, false
}

// Line is one field for people who look into a code: its path, such as 62.07, its name and its value.
type Line struct {
	Path  string `json:"path"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Explain lists all fields of a code with their names, those of templates behind them.
func (c Code) Explain() []Line { return explain(nil, "", rootSpec, c.Fields) }

func explain(out []Line, above string, specOf func(string) spec, fields []Field) []Line {
	for _, field := range fields {
		known := specOf(field.ID)
		out = append(out, Line{Path: above + field.ID, Name: known.name, Value: field.Value})
		if len(field.Fields) > 0 {
			out = explain(out, above+field.ID+".", known.inside(), field.Fields)
		}
	}
	return out
}
