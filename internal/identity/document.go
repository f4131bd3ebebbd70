package identity

import (
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// Kind names a kind of identity document.
type Kind string

// The kinds of documents that are read here. Another kind is one more line in kinds.
const (
	KindResidentID   Kind = "resident_id"   // Chinese resident identity card, GB 11643
	KindPassport     Kind = "passport"      // any country's, ICAO 9303
	KindReturnPermit Kind = "return_permit" // mainland travel permit of people from Hong Kong and Macao
)

// Document is what a person's identity document says, in normal form: Number in upper case without blanks, Country an
// ISO 3166 code of three letters. It prints and logs as its kind only. ExpiresOn is "" where it never expires.
type Document struct {
	Kind      Kind       `json:"kind"`
	Country   string     `json:"country"`
	Name      string     `json:"name"`
	Number    string     `json:"number"`
	BirthOn   clock.Date `json:"birth_on"`
	ExpiresOn clock.Date `json:"expires_on,omitempty"`
}

// String returns the kind: nothing else of a document belongs in a log.
func (d Document) String() string { return string(d.Kind) }

// GoString returns the kind.
func (d Document) GoString() string { return "identity.Document{" + string(d.Kind) + "}" }

// LogValue returns the kind.
func (d Document) LogValue() slog.Value { return slog.StringValue(string(d.Kind)) }

// kindRules is how the documents of a kind are read.
type kindRules struct {
	// parse checks a number in normal form, and fills in what the number itself says.
	parse func(d Document) (Document, error)
	// country is the only country that issues the kind; "" where the person says.
	country string
	// sides are the images that class II and III need.
	sides []Side
}

// kinds is the table of kinds.
func kinds() map[Kind]kindRules {
	return map[Kind]kindRules{
		KindResidentID:   {parse: residentDocument, country: "CHN", sides: []Side{SideFront, SideBack}},
		KindPassport:     {parse: passportDocument, sides: []Side{SideFront}},
		KindReturnPermit: {parse: returnPermitDocument, country: "CHN", sides: []Side{SideFront, SideBack}},
	}
}

const (
	numberMax      = 32 // characters as typed
	ageAlone       = 18 // full civil capacity, Civil Code art. 17 and 18
	ageGuardian    = 16
	ageMax         = 150
	maskedEnd      = 2
	maskedStart    = 1
	countryLength  = 3
	legalNameMax   = 64
	middleDot      = '·' // between the parts of many minorities' names
	otherMiddleDot = "•・．.‧∙⋅"
)

// ParseDocument reads what a person says of a document, as of now in zone. Errors, none of which quotes the document:
// identity.bad_kind, identity.bad_name, identity.bad_country, identity.bad_number, identity.bad_birth_date,
// identity.bad_expiry, identity.document_expired, identity.underage (younger than 16) and
// identity.guardian_required (16 or 17).
func ParseDocument(said Document, now time.Time, zone *time.Location) (Document, error) {
	rules, known := kinds()[said.Kind]
	if !known {
		return Document{}, invalid("identity.bad_kind", "this kind of document is not taken here", "kind")
	}
	name, err := ParseName(said.Name)
	if err != nil {
		return Document{}, err
	}
	said.Name = name
	if said.Number, err = plainNumber(said.Number); err != nil {
		return Document{}, err
	}
	if rules.country != "" && said.Country == "" {
		said.Country = rules.country
	}
	if !isCountry(said.Country) || (rules.country != "" && said.Country != rules.country) {
		return Document{}, invalid("identity.bad_country", "the country is a code of three letters, like CHN", "country")
	}
	d, err := rules.parse(said)
	if err != nil {
		return Document{}, err
	}
	today := clock.DateOf(now, zone)
	if err := checkAge(d.BirthOn, today); err != nil {
		return Document{}, err
	}
	return d, checkExpiry(d.ExpiresOn, today)
}

func invalid(code, message, param string) *fault.Fault {
	return fault.New(fault.Invalid, code, message).WithParam(param)
}

// ParseName reads the name of a document: 1 to 64 letters, marks, blanks, hyphens, apostrophes, full stops, commas and
// middle dots, with at least one letter. Blanks are single and every kind of middle dot between Han characters is one
// kind, so that equal names are equal. Errors: identity.bad_name.
func ParseName(text string) (string, error) {
	bad := invalid("identity.bad_name", "this is not a name as a document shows it", "name")
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > legalNameMax {
		return "", bad
	}
	name := strings.Join(strings.Fields(text), " ")
	letters, han := 0, false
	for _, r := range name {
		switch {
		case unicode.IsLetter(r):
			letters++
			han = han || unicode.Is(unicode.Han, r)
		case unicode.IsMark(r), strings.ContainsRune(" -'’,", r), r == middleDot, strings.ContainsRune(otherMiddleDot, r):
		default:
			return "", bad
		}
	}
	if letters == 0 {
		return "", bad
	}
	if han {
		name = strings.Map(func(r rune) rune {
			if strings.ContainsRune(otherMiddleDot, r) {
				return middleDot
			}
			return r
		}, strings.ReplaceAll(name, " ", ""))
	}
	return name, nil
}

// plainNumber takes blanks and hyphens out of a number and writes it in capitals.
func plainNumber(text string) (string, error) {
	bad := invalid("identity.bad_number", "this is not a number of such a document", "number")
	if len(text) > numberMax {
		return "", bad
	}
	number := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(text))
	if number == "" || strings.ContainsFunc(number, func(r rune) bool { return !isDigit(r) && !isCapital(r) }) {
		return "", bad
	}
	return number, nil
}

func isDigit(r rune) bool   { return r >= '0' && r <= '9' }
func isCapital(r rune) bool { return r >= 'A' && r <= 'Z' }

func isCountry(code string) bool {
	return len(code) == countryLength && !strings.ContainsFunc(code, func(r rune) bool { return !isCapital(r) })
}

// checkAge refuses birth dates to come, of the very old, and of those who may not act alone.
func checkAge(birth, today clock.Date) error {
	age, ok := ageOn(birth, today)
	switch {
	case !ok || age > ageMax:
		return invalid("identity.bad_birth_date", "this is not a date of birth of a living person", "birth_on")
	case age < ageGuardian:
		return fault.New(fault.Forbidden, "identity.underage", "people younger than 16 can't have a verified wallet")
	case age < ageAlone:
		return fault.New(fault.Forbidden, "identity.guardian_required", "people of 16 and 17 need a guardian's consent").
			WithHint("this can't be given here yet; come back at 18")
	}
	return nil
}

// ageOn returns the full years between two days; false if birth is no day of the calendar or lies ahead. Who was born
// on 29 February is a year older on 1 March of a year without that day.
func ageOn(birth, today clock.Date) (int, bool) {
	born, err := time.Parse(time.DateOnly, string(birth))
	if err != nil {
		return 0, false
	}
	now, err := time.Parse(time.DateOnly, string(today))
	if err != nil || born.After(now) {
		return 0, false
	}
	age := now.Year() - born.Year()
	if now.Month() < born.Month() || (now.Month() == born.Month() && now.Day() < born.Day()) {
		age--
	}
	return age, true
}

// checkExpiry refuses a document whose last day is over.
func checkExpiry(expires, today clock.Date) error {
	if expires == "" {
		return nil
	}
	if _, err := clock.ParseDate(string(expires)); err != nil {
		return invalid("identity.bad_expiry", "this is not a day of the calendar, YYYY-MM-DD", "expires_on")
	}
	if expires < today {
		return invalid("identity.document_expired", "this document has expired", "expires_on").
			WithHint("verify with a valid document")
	}
	return nil
}

// MaskNumber shows the first and the last two characters of a number: 1***************2X. What is too short it does
// not show at all.
func MaskNumber(number string) string {
	const shownMin = 6
	if len(number) < shownMin {
		return strings.Repeat("*", len(number))
	}
	hidden := len(number) - maskedStart - maskedEnd
	return number[:maskedStart] + strings.Repeat("*", hidden) + number[len(number)-maskedEnd:]
}

// maskName shows what others may see of a name.
func maskName(name string) string { return party.MaskName(name) }

// residentDocument reads a resident identity card: the number says when its holder was born.
func residentDocument(d Document) (Document, error) {
	parsed, err := party.ParseResidentID(d.Number)
	if err != nil {
		return Document{}, invalid("identity.bad_number", "this is not a resident identity number", "number").
			WithHint("it has 18 characters, the last one a digit or X")
	}
	if d.BirthOn != "" && d.BirthOn != parsed.BirthOn {
		return Document{}, invalid("identity.bad_birth_date", "the number says another date of birth", "birth_on")
	}
	d.Number, d.BirthOn = parsed.Number, parsed.BirthOn
	return d, nil
}
