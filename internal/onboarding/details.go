package onboarding

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// Details are what an application says. What is personal of it is stored sealed.
type Details struct {
	Company  string `json:"company" minLength:"1" maxLength:"64" doc:"As registered." example:"Jasmine Tea Co., Ltd."`
	USCC     string `json:"uscc" minLength:"18" maxLength:"40" doc:"Unified social credit code, GB 32100; blanks and hyphens are left out." example:"91110000ABCDEFGH1T"`
	Category string `json:"category" minLength:"4" maxLength:"4" pattern:"^[0-9]{4}$" doc:"Merchant category code, ISO 18245." example:"5812"`
	Email    string `json:"email" minLength:"3" maxLength:"254" doc:"Of the contact, who becomes the first user."`
	Private
}

// Private is the personal part of the details.
type Private struct {
	LegalRepresentative Person            `json:"legal_representative"`
	BeneficialOwners    []Owner           `json:"beneficial_owners,omitempty" maxItems:"4" doc:"Who holds 25 % or more; none: the legal representative counts."`
	ContactName         string            `json:"contact_name" minLength:"1" maxLength:"64"`
	ContactPhone        string            `json:"contact_phone" minLength:"5" maxLength:"32"`
	SettlementAccount   SettlementAccount `json:"settlement_account"`
}

// Person is somebody with an identity document.
type Person struct {
	Name   string `json:"name" minLength:"1" maxLength:"64"`
	Number string `json:"document_number" minLength:"4" maxLength:"32" doc:"Of the identity document."`
}

// Owner is a beneficial owner: a person who holds ShareBps of the company, 2,500 (25 %) to 10,000.
type Owner struct {
	Person
	ShareBps int64 `json:"share_bps" minimum:"2500" maximum:"10000"`
}

// SettlementAccount is where the merchant is paid.
type SettlementAccount struct {
	Number     string `json:"number" minLength:"8" maxLength:"34" doc:"Shown masked afterwards."`
	HolderName string `json:"holder_name" minLength:"1" maxLength:"64" doc:"The company's own name."`
	Bank       string `json:"bank" minLength:"1" maxLength:"64"`
}

const (
	ownersMax     = 4 // of 25 % there are no more
	shareLeastBps = 2_500
	shareAllBps   = 10_000
	numberShown   = 4
)

// String shows nothing.
func (Private) String() string { return "private" }

// check refuses details that cannot be, and returns them in their one form. Errors: party.bad_uscc, party.bad_email,
// party.bad_name, party.bad_phone, onboarding.bad_details.
func (d Details) check() (Details, error) {
	code, err := party.ParseUSCC(d.USCC)
	if err != nil {
		return d, err
	}
	d.USCC = string(code)
	if d.Email, err = party.ParseEmail(d.Email); err != nil {
		return d, err
	}
	if d.ContactPhone, err = party.ParsePhone(d.ContactPhone); err != nil {
		return d, fault.From(err).WithParam("contact_phone")
	}
	for _, name := range []struct {
		param string
		text  *string
	}{
		{"company", &d.Company},
		{"legal_representative.name", &d.LegalRepresentative.Name},
		{"contact_name", &d.ContactName},
		{"settlement_account.holder_name", &d.SettlementAccount.HolderName},
		{"settlement_account.bank", &d.SettlementAccount.Bank},
	} {
		if *name.text, err = party.ParseName(*name.text); err != nil {
			return d, fault.From(err).WithParam(name.param)
		}
	}
	if !digits(d.Category) || len(d.Category) != len("5812") {
		return d, badDetails("category", "a category has four digits")
	}
	if !accountNumber(d.SettlementAccount.Number) {
		return d, badDetails("settlement_account.number", "an account number has 8 to 34 letters and digits")
	}
	if !documentNumber(&d.LegalRepresentative) {
		return d, badDetails("legal_representative.document_number", documentRule)
	}
	return d, checkOwners(d.BeneficialOwners)
}

func checkOwners(owners []Owner) error {
	if len(owners) > ownersMax {
		return badDetails("beneficial_owners", "at most four hold 25 % or more")
	}
	sum, seen := int64(0), map[string]bool{}
	for i := range owners {
		owner := &owners[i]
		if owner.ShareBps < shareLeastBps || owner.ShareBps > shareAllBps {
			return badDetails("beneficial_owners", "a beneficial owner holds 25 % to 100 %")
		}
		name, err := party.ParseName(owner.Name)
		if err != nil {
			return fault.From(err).WithParam("beneficial_owners")
		}
		if !documentNumber(&owner.Person) {
			return badDetails("beneficial_owners", documentRule)
		}
		if seen[owner.Number] {
			return badDetails("beneficial_owners", "each owner has a document number of their own")
		}
		owner.Name, seen[owner.Number] = name, true
		sum += owner.ShareBps
	}
	if sum > shareAllBps {
		return badDetails("beneficial_owners", "all shares together are at most 100 %")
	}
	return nil
}

func badDetails(param, message string) error {
	return fault.New(fault.Invalid, "onboarding.bad_details", message).WithParam(param)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

const documentRule = "a document number has 4 to 32 letters and digits;" +
	" one of 18 digits is a resident identity number with its right check character"

// documentNumber brings a person's number into upper case and reports whether it can be one. What has the form of a
// resident identity number, GB 11643, must be one.
func documentNumber(p *Person) bool {
	p.Number = strings.ToUpper(p.Number)
	const residentLength = 18
	if len(p.Number) == residentLength && digits(p.Number[:residentLength-1]) {
		_, err := party.ParseResidentID(p.Number)
		return err == nil
	}
	return len(p.Number) >= 4 && len(p.Number) <= 32 && plain(p.Number)
}

func accountNumber(s string) bool { return len(s) >= 8 && len(s) <= 34 && plain(s) }

func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-'
	})
}

// Masked returns the personal part as everybody but the reviewer sees it.
func (p Private) Masked() Private {
	p.LegalRepresentative = p.LegalRepresentative.masked()
	owners := make([]Owner, len(p.BeneficialOwners))
	for i, owner := range p.BeneficialOwners {
		owners[i] = Owner{Person: owner.masked(), ShareBps: owner.ShareBps}
	}
	p.BeneficialOwners = owners
	p.ContactPhone = party.MaskPhone(p.ContactPhone)
	p.SettlementAccount.Number = maskNumber(p.SettlementAccount.Number)
	return p
}

// Said is what an application says of one person in one part.
type Said struct {
	Part string `json:"part" enum:"legal_representative,beneficial_owner,contact"`
	Person
	Phone    string `json:"phone,omitempty"`
	ShareBps int64  `json:"share_bps,omitempty"`
}

// About returns what the private part says of the person of a name.
func (p Private) About(name string) []Said {
	said := []Said{}
	if p.LegalRepresentative.Name == name {
		said = append(said, Said{Part: "legal_representative", Person: p.LegalRepresentative})
	}
	for _, owner := range p.BeneficialOwners {
		if owner.Name == name {
			said = append(said, Said{Part: "beneficial_owner", Person: owner.Person, ShareBps: owner.ShareBps})
		}
	}
	if p.ContactName == name {
		said = append(said, Said{Part: "contact", Person: Person{Name: name}, Phone: p.ContactPhone})
	}
	return said
}

func (p Person) masked() Person {
	return Person{Name: party.MaskName(p.Name), Number: maskNumber(p.Number)}
}

// maskNumber shows the last four characters of what is long enough to keep a secret all the same.
func maskNumber(s string) string {
	if utf8.RuneCountInString(s) < 2*numberShown {
		return "****"
	}
	return "****" + s[len(s)-numberShown:]
}
