package party

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"github.com/feiqian/feiqian/internal/fault"
)

const (
	homeRegion   = "CN" // a number without a country code is a Chinese one
	homeCode     = 86
	phoneTextMax = 32  // characters as typed
	nameMax      = 64  // characters
	reasonMax    = 200 // characters
	emailMax     = 254 // bytes, RFC 5321 §4.5.3.1
	starsMax     = 3
)

// ParsePhone reads a phone number as people type it and returns it as E.164; without a country code it
// is a Chinese number. Errors: party.bad_phone.
func ParsePhone(s string) (string, error) {
	bad := fault.New(fault.Invalid, "party.bad_phone", "this is not a phone number").WithParam("phone").
		WithHint("write 13800000001, or +COUNTRY CODE and number")
	if len(s) > phoneTextMax {
		return "", bad
	}
	number, err := phonenumbers.Parse(s, homeRegion)
	if err != nil || !phonenumbers.IsValidNumber(number) || number.GetExtension() != "" {
		return "", bad // the library's error quotes the number
	}
	return phonenumbers.Format(number, phonenumbers.E164), nil
}

// MaskPhone hides the middle of an E.164 number: 138****0001, or +1 ****0123 abroad. What it can't read
// it does not show at all.
func MaskPhone(phone string) string {
	const shownBefore, shownAfter, hidden = 3, 4, "****"
	number, err := phonenumbers.Parse(phone, homeRegion)
	if err != nil {
		return ""
	}
	national := phonenumbers.GetNationalSignificantNumber(number)
	if len(national) < shownBefore+shownAfter {
		return ""
	}
	end := national[len(national)-shownAfter:]
	if number.GetCountryCode() == homeCode {
		return national[:shownBefore] + hidden + end
	}
	e164 := phonenumbers.Format(number, phonenumbers.E164)
	return strings.TrimSuffix(e164, national) + " " + hidden + end
}

// MaskName shows the first character of each word: 张*, J*** S***.
func MaskName(name string) string {
	words := strings.Fields(name)
	for i, word := range words {
		_, size := utf8.DecodeRuneInString(word)
		stars := min(utf8.RuneCountInString(word)-1, starsMax)
		if stars == 0 && len(words) == 1 {
			words[i] = "*"
			continue
		}
		words[i] = word[:size] + strings.Repeat("*", stars)
	}
	return strings.Join(words, " ")
}

// ParseName reads a name: 1 to 64 printable characters, blanks at the ends cut. Errors: party.bad_name.
func ParseName(s string) (string, error) {
	name := strings.TrimSpace(s)
	if !printable(name, nameMax) {
		return "", fault.Newf(fault.Invalid, "party.bad_name", "a name has 1 to %d printable characters", nameMax).
			WithParam("name")
	}
	return name, nil
}

// ParseReason reads why somebody did something: 1 to 200 printable characters, blanks at the ends cut. Errors:
// party.bad_reason.
func ParseReason(s string) (string, error) {
	reason := strings.TrimSpace(s)
	if !printable(reason, reasonMax) {
		return "", fault.Newf(fault.Invalid, "party.bad_reason", "a reason has 1 to %d printable characters", reasonMax).
			WithParam("reason")
	}
	return reason, nil
}

// printable reports whether s has 1 to limit characters, all of them printable.
func printable(s string, limit int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}

// ParsePerson reads the text that says which human somebody is, such as a number of the personnel office: 1 to 128
// printable characters, in lower case, blanks at the ends cut. Errors: party.bad_person.
func ParsePerson(s string) (string, error) {
	person := strings.ToLower(strings.TrimSpace(s))
	if !printable(person, emailMax) {
		return "", fault.Newf(fault.Invalid, "party.bad_person", "a person is named by 1 to %d printable "+
			"characters", emailMax).
			WithParam("person")
	}
	return person, nil
}

// ParseEmail reads a bare address and returns it in lower case. Errors: party.bad_email.
func ParseEmail(s string) (string, error) {
	bad := fault.New(fault.Invalid, "party.bad_email", "this is not an e-mail address").WithParam("email")
	if len(s) > emailMax {
		return "", bad
	}
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", bad
	}
	return strings.ToLower(s), nil
}
