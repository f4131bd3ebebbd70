package emvqr

import (
	"strconv"
	"strings"
)

// spec is what the specification says of one ID.
type spec struct {
	name    string
	form    form
	min     int
	max     int
	network string // of merchant accounts that a network owns
	must    bool
	sub     func(string) spec // of a template: its IDs
}

// inside returns what the IDs in a template mean.
func (s spec) inside() func(string) spec {
	if s.sub == nil {
		return templateSpec
	}
	return s.sub
}

// form is what characters a value may have.
type form uint8

const (
	text    form = iota // S and ans: any printable character
	digits              // N
	decimal             // an amount: digits and at most one point, more than zero
	percent             // 00.01 to 99.99
	hexText             // four upper-case hex digits
)

const (
	valueMax     = 99
	accountFirst = "02"
	accountLast  = "51"
	templateFrom = 26 // IDs from here on are templates with a global id
)

// rootTable is table 3.1 and 4.x of MPM 1.0: the fields of a code.
var rootTable = map[string]spec{ //nolint:gochecknoglobals // a table
	IDFormat:     {name: "payload_format", form: digits, min: 2, max: 2, must: true},
	IDInitiation: {name: "point_of_initiation", form: digits, min: 2, max: 2},
	IDCategory:   {name: "merchant_category_code", form: digits, min: 4, max: 4, must: true},
	IDCurrency:   {name: "currency", form: digits, min: 3, max: 3, must: true},
	IDAmount:     {name: "amount", form: decimal, min: 1, max: 13},
	IDTip:        {name: "tip", form: digits, min: 2, max: 2},
	IDTipFixed:   {name: "tip_fixed", form: decimal, min: 1, max: 13},
	IDTipPercent: {name: "tip_percent", form: percent, min: 1, max: 5},
	IDCountry:    {name: "country", min: 2, max: 2, must: true},
	IDName:       {name: "merchant_name", min: 1, max: 25, must: true},
	IDCity:       {name: "merchant_city", min: 1, max: 15, must: true},
	IDPostal:     {name: "postal_code", min: 1, max: 10},
	IDAdditional: {name: "additional_data", min: 1, max: valueMax, sub: additionalSpec},
	IDCRC:        {name: "crc", form: hexText, min: 4, max: 4, must: true},
	IDLanguage:   {name: "language_template", min: 1, max: valueMax, sub: languageSpec},
}

// networks own the IDs of merchant accounts below the templates (MPM 1.0 table 4.1).
var networks = []struct { //nolint:gochecknoglobals // a table
	from, to int
	name     string
}{
	{2, 3, "visa"},
	{4, 5, "mastercard"},
	{6, 8, "emvco"},
	{9, 10, "discover"},
	{11, 12, "amex"},
	{13, 14, "jcb"},
	{15, 16, "unionpay"},
	{17, 25, "emvco"},
}

// additionalTable are the fields in 62 (MPM 1.0 table 4.7); 50 to 99 are templates of schemes.
var additionalTable = map[string]string{ //nolint:gochecknoglobals // a table
	"01": "bill_number", "02": "mobile_number", "03": "store_label", "04": "loyalty_number", "05": "reference_label",
	"06": "customer_label", "07": "terminal_label", "08": "purpose", "09": "consumer_data_request",
	"10": "merchant_tax_id", "11": "merchant_channel",
}

// languageTable are the fields in 64 (MPM 1.0 table 4.8).
var languageTable = map[string]spec{ //nolint:gochecknoglobals // a table
	"00": {name: "language", min: 2, max: 2, must: true},
	"01": {name: "merchant_name_local", min: 1, max: 25, must: true},
	"02": {name: "merchant_city_local", min: 1, max: 15},
}

// rootSpec returns what an ID of a code means; reserved and free ones are known too.
func rootSpec(name string) spec {
	if known, ok := rootTable[name]; ok {
		return known
	}
	n, _ := strconv.Atoi(name) // IDs are two digits
	switch {
	case n < templateFrom:
		for _, owner := range networks {
			if n >= owner.from && n <= owner.to {
				return spec{name: "merchant_account_" + owner.name, min: 1, max: valueMax, network: owner.name}
			}
		}
	case name <= accountLast:
		return spec{name: "merchant_account_template", min: 1, max: valueMax, sub: templateSpec}
	case n >= 80: //nolint:mnd // 80 to 99, MPM 1.0 table 3.1
		return spec{name: "unreserved_template", min: 1, max: valueMax, sub: templateSpec}
	}
	return spec{name: "reserved_" + name, min: 1, max: valueMax}
}

// templateSpec returns what an ID in a template with a global id means.
func templateSpec(name string) spec {
	if name == "00" {
		return spec{name: "global_id", min: 1, max: 32, must: true}
	}
	return spec{name: "field_" + name, min: 1, max: valueMax}
}

func additionalSpec(name string) spec {
	if known, ok := additionalTable[name]; ok {
		return spec{name: known, min: 1, max: 25}
	}
	if name >= "50" {
		return spec{name: "scheme_template", min: 1, max: valueMax, sub: templateSpec}
	}
	return spec{name: "reserved_" + name, min: 1, max: valueMax}
}

func languageSpec(name string) spec {
	if known, ok := languageTable[name]; ok {
		return known
	}
	return spec{name: "reserved_" + name, min: 1, max: valueMax}
}

// musts lists the IDs that must be there in a code or template.
func musts(specOf func(string) spec) []string {
	var out []string
	for n := range 100 {
		if name := twoDigits(n); specOf(name).must {
			out = append(out, name)
		}
	}
	return out
}

// fits reports whether a value has the form of its field.
func (f form) fits(value string) bool {
	switch f { //nolint:exhaustive // any other text fits
	case digits:
		return isDigits(value)
	case decimal:
		whole, part, _ := strings.Cut(value, ".")
		return (whole+part) != "" && isDigits(whole+part) && strings.Trim(value, "0.") != ""
	case percent:
		whole, part, _ := strings.Cut(value, ".")
		return whole != "" && len(whole) <= 2 && len(part) <= 2 && isDigits(whole+part) && strings.Trim(value, "0.") != ""
	case hexText:
		return strings.Trim(value, "0123456789ABCDEF") == ""
	}
	return printable(value)
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func twoDigits(n int) string { return strconv.Itoa(n/10) + strconv.Itoa(n%10) } //nolint:mnd // decimal
