package card

import (
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/vault"
)

// The tables of issuers' numbers. bins.csv: prefixes of some Chinese issuers, compared with public lists of the numbers
// registered with China UnionPay (github.com/hexindai/bcbc data/bin.csv, and the older list of 2015 behind it).
// schemes.csv: prefixes of the schemes as they publish them (ISO/IEC 7812 first digits). An operator's own list goes
// into the same form.
//
//go:embed bins.csv issuers.csv schemes.csv
var tables embed.FS

// Type says what kind of card it is.
type Type string

// The types of cards.
const (
	Debit   Type = "debit"
	Credit  Type = "credit"
	Prepaid Type = "prepaid"
)

// BIN is what the first digits of a number tell. The names are for people.
type BIN struct {
	Prefix   string
	Length   int    // of the whole number
	Issuer   string // code of the issuer; "" where only the scheme is known
	IssuerZH string
	IssuerEN string
	Type     Type   // "" where only the scheme is known
	Scheme   string // unionpay, visa, mastercard, amex, jcb, discover, diners
	Luhn     bool   // the last digit is a check digit
}

// Names are an issuer's names for people.
type Names struct{ ZH, EN string }

type schemeRange struct {
	from, to, width, shortest, longest int
	scheme                             string
	luhn                               bool
}

type binTables struct {
	bins     map[string]BIN // by prefix and length
	issuers  map[string]Names
	schemes  []schemeRange
	prefixes []int // lengths of prefixes, longest first
}

//nolint:gochecknoglobals // read once from the embedded files, never changed
var loaded = sync.OnceValue(func() *binTables {
	t, err := readTables()
	if err != nil {
		panic("card: the embedded tables: " + err.Error())
	}
	return t
})

func readTables() (*binTables, error) {
	t := &binTables{bins: map[string]BIN{}, issuers: map[string]Names{}, prefixes: []int{8, 7, 6, 5, 4, 3}}
	err := eachLine("issuers.csv", func(f []string) error {
		t.issuers[f[0]] = Names{ZH: f[1], EN: f[2]}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachLine("schemes.csv", func(f []string) error {
		r := schemeRange{width: len(f[0]), scheme: f[3], luhn: f[4] == "yes"}
		_, err := fmt.Sscanf(f[0]+" "+f[1]+" "+f[2], "%d %d %d-%d", &r.from, &r.to, &r.shortest, &r.longest)
		t.schemes = append(t.schemes, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, eachLine("bins.csv", func(f []string) error {
		length, err := strconv.Atoi(f[1])
		names, known := t.issuers[f[2]]
		if _, twice := t.bins[f[0]+"/"+f[1]]; err != nil || !known || twice {
			return fmt.Errorf("line %v: no length, no such issuer, or twice", f)
		}
		t.bins[f[0]+"/"+f[1]] = BIN{
			Prefix: f[0], Length: length, Issuer: f[2], IssuerZH: names.ZH, IssuerEN: names.EN,
			Type: Type(f[3]), Scheme: f[4], Luhn: f[5] == "yes",
		}
		return nil
	})
}

// eachLine calls fn for each line of an embedded table but the first.
func eachLine(name string, fn func(fields []string) error) error {
	text, err := tables.ReadFile(name)
	if err != nil {
		return err
	}
	lines, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		return err
	}
	for _, fields := range lines[1:] {
		if err := fn(fields); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// LookUp returns what a number's first digits tell: of the prefixes that fit its length the longest, else the scheme
// only. The second result is false where not even the scheme is known.
func LookUp(pan vault.PAN) (BIN, bool) {
	t, digits := loaded(), pan.Reveal()
	for _, width := range t.prefixes {
		if len(digits) < width {
			continue
		}
		if bin, known := t.bins[digits[:width]+"/"+strconv.Itoa(len(digits))]; known {
			return bin, true
		}
	}
	for _, r := range t.schemes {
		if len(digits) < r.width || len(digits) < r.shortest || len(digits) > r.longest {
			continue
		}
		if first, err := strconv.Atoi(digits[:r.width]); err == nil && first >= r.from && first <= r.to {
			return BIN{Prefix: digits[:r.width], Length: len(digits), Scheme: r.scheme, Luhn: r.luhn}, true
		}
	}
	return BIN{}, false
}

// IssuerNames returns the names of an issuer by its code; zero for an unknown one.
func IssuerNames(code string) Names { return loaded().issuers[code] }

// identify finds the issuer of a number and checks the check digit where the issuer's numbers have one.
//
// Errors: card.bad_number, card.issuer_not_supported.
func identify(pan vault.PAN) (BIN, error) {
	bin, known := LookUp(pan)
	if known && bin.Luhn && !pan.Luhn() {
		return BIN{}, fault.New(fault.Invalid, "card.bad_number", "this card number is mistyped").WithParam("number").
			WithHint("compare it with the card, digit by digit")
	}
	if !known || bin.Issuer == "" {
		return BIN{}, fault.New(fault.Invalid, "card.issuer_not_supported", "cards of this issuer can't be bound").
			WithParam("number").WithHint("bind a card of another bank")
	}
	return bin, nil
}
