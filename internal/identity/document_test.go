package identity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/identity"
)

var (
	shanghai = func() *time.Location {
		zone, err := time.LoadLocation("Asia/Shanghai")
		if err != nil {
			panic(err)
		}
		return zone
	}()
	today = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
)

func TestAge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ birth, now, code string }{
		{"2010-11-22", "2026-11-21T15:59:59Z", "identity.underage"}, // the day before, in Shanghai
		{"2010-11-22", "2026-11-21T16:00:00Z", "identity.guardian_required"},
		{"2008-11-23", "2026-11-22T04:00:00Z", "identity.guardian_required"},
		{"2008-11-22", "2026-11-22T04:00:00Z", ""},
		{"2008-02-29", "2026-02-28T04:00:00Z", "identity.guardian_required"},
		{"2008-02-29", "2026-03-01T04:00:00Z", ""},
		{"2026-11-23", "2026-11-22T04:00:00Z", "identity.bad_birth_date"},
		{"1800-01-01", "2026-11-22T04:00:00Z", "identity.bad_birth_date"},
		{"1990-02-30", "2026-11-22T04:00:00Z", "identity.bad_birth_date"},
		{"", "2026-11-22T04:00:00Z", "identity.bad_birth_date"},
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = identity.ParseDocument(identity.Document{
			Kind:      identity.KindPassport,
			Country:   "FRA",
			Name:      "Marie Curie",
			Number:    "12ab 34567",
			BirthOn:   clock.Date(test.birth),
			ExpiresOn: "2031-01-01",
		}, now, shanghai)
		if fault.CodeOf(err) != test.code {
			t.Errorf("%s at %s: %v, want %s", test.birth, test.now, err, test.code)
		}
	}
	_, err := identity.ParseDocument(identity.Document{
		Kind: identity.KindResidentID, Name: "张三", Number: "11010120120101001X",
	}, today, shanghai)
	if fault.CodeOf(err) != "identity.underage" {
		t.Error(err)
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	passport := identity.Document{
		Kind: identity.KindPassport, Country: "GBR", Name: "  Alice   Carter ", Number: "502-135 326", BirthOn: "1990-02-03",
		ExpiresOn: "2026-11-22",
	}
	got, err := identity.ParseDocument(passport, today, shanghai) // valid on its last day
	if err != nil || got.Number != "502135326" || got.Name != "Alice Carter" {
		t.Errorf("%#v, %v", got, err)
	}
	for name, test := range map[string]struct {
		spoil func(d *identity.Document)
		code  string
	}{
		"Kind":       {func(d *identity.Document) { d.Kind = "library_card" }, "identity.bad_kind"},
		"NoCountry":  {func(d *identity.Document) { d.Country = "" }, "identity.bad_country"},
		"Country":    {func(d *identity.Document) { d.Country = "gb" }, "identity.bad_country"},
		"Expired":    {func(d *identity.Document) { d.ExpiresOn = "2026-11-21" }, "identity.document_expired"},
		"NoExpiry":   {func(d *identity.Document) { d.ExpiresOn = "" }, "identity.bad_expiry"},
		"BadExpiry":  {func(d *identity.Document) { d.ExpiresOn = "2027-02-29" }, "identity.bad_expiry"},
		"Number":     {func(d *identity.Document) { d.Number = "ABCDEF" }, "identity.bad_number"},
		"NumberLong": {func(d *identity.Document) { d.Number = "1234567890" }, "identity.bad_number"},
		"NumberForm": {func(d *identity.Document) { d.Number = "12_34567" }, "identity.bad_number"},
		"Name":       {func(d *identity.Document) { d.Name = "<script>" }, "identity.bad_name"},
		"NameEmpty":  {func(d *identity.Document) { d.Name = " - " }, "identity.bad_name"},
		"NameLong":   {func(d *identity.Document) { d.Name = strings.Repeat("a", 65) }, "identity.bad_name"},
		"NameUTF8":   {func(d *identity.Document) { d.Name = "\xff" }, "identity.bad_name"},
	} {
		d := passport
		test.spoil(&d)
		if _, err := identity.ParseDocument(d, today, shanghai); fault.CodeOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		"阿卜杜拉•买买提": "阿卜杜拉·买买提", " 张 三 ": "张三", "O’Neil, Sean": "O’Neil, Sean", "Zoë de la Cruz": "Zoë de la Cruz",
	} {
		if got, err := identity.ParseName(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for number, want := range map[string]string{
		"510104198511230156": "5***************56", "502135326": "5******26", "12345": "*****", "": "",
	} {
		if got := identity.MaskNumber(number); got != want {
			t.Errorf("%s: %s", number, got)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, passport); strings.Contains(text, "502") || strings.Contains(text, "Alice") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

func TestMRZ(t *testing.T) {
	t.Parallel()
	const first = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
	const second = "L898902C36UTO7408122F1204159ZE184226B<<<<<10" // ICAO 9303 part 4, appendix B
	got, err := identity.ParseMRZ(first+"\n"+second, time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC))
	want := identity.Document{
		Kind: identity.KindPassport, Country: "UTO", Name: "ANNA MARIA ERIKSSON", Number: "L898902C3", BirthOn: "1974-08-12",
		ExpiresOn: "2012-04-15",
	}
	if err != nil || got != want {
		t.Errorf("%q %q %q %q %q, %v", got.Country, got.Name, got.Number, got.BirthOn, got.ExpiresOn, err)
	}
	for i := range second {
		changed := []byte(second)
		if changed[i]++; changed[i] > 'Z' {
			changed[i] = 'A'
		}
		_, err := identity.ParseMRZ(first+"\n"+string(changed), today)
		if i < 10 || i >= 13 && i < 20 || i >= 21 { // state and sex have no check digit
			if fault.CodeOf(err) != "identity.bad_mrz" {
				t.Errorf("%d: %s passes", i, changed)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("11010519491231002X", "张三")
	f.Add("510104198511230156", "Anna Maria")
	f.Add("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10", "·")
	f.Fuzz(func(t *testing.T, number, name string) {
		if plain, err := identity.ParseName(name); err == nil {
			if again, err := identity.ParseName(plain); err != nil || again != plain {
				t.Errorf("%q: %q, then %q, %v", name, plain, again, err)
			}
		}
		if d, err := identity.ParseMRZ(number, today); err == nil && len(d.Number) > 9 {
			t.Errorf("%q", number)
		}
		for _, kind := range []identity.Kind{identity.KindResidentID, identity.KindPassport, identity.KindReturnPermit} {
			said := identity.Document{
				Kind: kind, Country: "CHN", Name: name, Number: number, BirthOn: "1985-11-23", ExpiresOn: "2090-01-01",
			}
			d, err := identity.ParseDocument(said, today, shanghai)
			if err != nil {
				continue
			}
			if again, err := identity.ParseDocument(d, today, shanghai); err != nil || again != d {
				t.Errorf("%q %q: %v", number, name, err)
			}
		}
	})
}
