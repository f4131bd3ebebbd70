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

func TestResidentID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		birth clock.Date
		male  bool
	}{
		{"11010519491231002X", "1949-12-31", false}, // GB 11643 annex
		{"11010519491231002x", "1949-12-31", false},
		{"440524188001010014", "1880-01-01", true},
		{"510104198511230156", "1985-11-23", true},
	} {
		got, err := identity.ParseResidentID(test.text)
		if err != nil || got.BirthOn != test.birth || got.Male != test.male || got.Area != test.text[:6] {
			t.Errorf("%s: %+v, %v", test.text, got, err)
		}
	}
	for name, text := range map[string]string{
		"Empty": "", "Short": "11010519491231002", "Long": "11010519491231002XX", "Fifteen": "110105491231002",
		"Check": "110105194912310021", "Letter": "1101051949123100AX", "Wide": "１１010519491231002X",
		"Area": "99010519491231002X", "Month": checked("11010519491331002"), "Day": checked("11010519900230011"),
		"LeapNot": checked("11010519000229001"), "Zero": checked("11010500000000001"), "Province": checked("10010519491231002"),
	} {
		if got, err := identity.ParseResidentID(text); fault.CodeOf(err) != "identity.bad_number" {
			t.Errorf("%s: %+v, %v", name, got, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error shows the number", name)
		}
	}
	if _, err := identity.ParseResidentID(checked("11010520000229001")); err != nil { // a leap year
		t.Error(err)
	}
	// Any one digit changed, and any two neighbors changed over, is seen.
	const number = "510104198511230156"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			changed := []byte(number)
			if changed[i] == d {
				continue
			}
			changed[i] = d
			if _, err := identity.ParseResidentID(string(changed)); err == nil {
				t.Errorf("%s passes", changed)
			}
		}
	}
}

// checked adds the check character to 17 digits, as the standard's text says, apart from our code.
func checked(digits string) string {
	sum := 0
	for i := range 17 {
		weight := 1
		for range 17 - i {
			weight = weight * 2 % 11
		}
		sum += int(digits[i]-'0') * weight
	}
	rest := (12 - sum%11) % 11
	if rest == 10 {
		return digits + "X"
	}
	return fmt.Sprint(digits, rest)
}

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
		Kind: identity.KindResidentID, Name: "张三", Number: checked("11010120120101001"),
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

func TestCompany(t *testing.T) {
	t.Parallel()
	person := func(number string) identity.Document {
		return identity.Document{Kind: identity.KindResidentID, Name: "刘洋", Number: number}
	}
	good := identity.Company{
		Name: " 四海茶馆 有限公司 ", CreditCode: "91110000ABCDEFGH1T", LegalRepresentative: person("510104198511230156"),
		BeneficialOwners: []identity.BeneficialOwner{
			{Person: person("510104198511230156"), ShareBps: 2_500}, {Person: person("440103199207150143"), ShareBps: 7_500},
		},
	}
	if got, err := identity.ParseCompany(good, today, shanghai); err != nil || got.Name != "四海茶馆 有限公司" ||
		got.BeneficialOwners[1].Person.BirthOn != "1992-07-15" {
		t.Errorf("%v", err)
	}
	for name, test := range map[string]struct {
		spoil func(c *identity.Company)
		code  string
	}{
		"Name":    {func(c *identity.Company) { c.Name = "x" }, "identity.bad_company_name"},
		"Code":    {func(c *identity.Company) { c.CreditCode = "" }, "party.bad_uscc"},
		"Person":  {func(c *identity.Company) { c.LegalRepresentative.Number = "1" }, "identity.bad_number"},
		"None":    {func(c *identity.Company) { c.BeneficialOwners = nil }, "identity.bad_owners"},
		"Twice":   {func(c *identity.Company) { c.BeneficialOwners[1].Person = c.BeneficialOwners[0].Person }, "identity.bad_owners"},
		"Little":  {func(c *identity.Company) { c.BeneficialOwners[0].ShareBps = 2_499 }, "identity.bad_share"},
		"TooMuch": {func(c *identity.Company) { c.BeneficialOwners[0].ShareBps = 2_501 }, "identity.bad_share"},
	} {
		c := good
		c.BeneficialOwners = append([]identity.BeneficialOwner{}, good.BeneficialOwners...)
		test.spoil(&c)
		if _, err := identity.ParseCompany(c, today, shanghai); fault.CodeOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("11010519491231002X", "张三")
	f.Add("510104198511230156", "Anna Maria")
	f.Add("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10", "·")
	f.Fuzz(func(t *testing.T, number, name string) {
		if id, err := identity.ParseResidentID(number); err == nil {
			if again, err := identity.ParseResidentID(id.Number); err != nil || again != id {
				t.Errorf("%q: %v", number, err)
			}
		} else if len(number) > 5 && strings.Contains(err.Error(), number) {
			t.Error("an error shows the number")
		}
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
