package authority

import (
	"errors"
	"strings"
)

// Person is somebody whom the parties know. Each party looks at its own part: the authority at the document, the
// carrier at Phones, the card network at Cards, the bank at Accounts, the commercial database at name, document and
// phones.
type Person struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Country   string   `json:"country"`
	Number    string   `json:"number"`
	ExpiresOn string   `json:"expires_on,omitempty"` // "" is not compared
	Phones    []string `json:"phones"`               // E.164
	Cards     []Card   `json:"cards"`
	Accounts  []string `json:"accounts"`
}

// Card is a card with the phone that its bank knows.
type Card struct {
	Number string `json:"number"`
	Phone  string `json:"phone"`
}

// check reports a person whom nobody could ask for.
func (p Person) check() error {
	switch {
	case strings.TrimSpace(p.Name) == "" || strings.TrimSpace(p.Number) == "":
		return errors.New("a person has a name and a document number")
	case p.Kind == "" || p.Country == "":
		return errors.New("a person has a kind of document and its country")
	}
	return nil
}

// SeedPeople returns the people of a new sandbox; docs/identity.md lists them. They are made up: the numbers have right
// check characters in areas and sequences that were chosen for this.
func SeedPeople() []Person {
	resident := func(name, number, phone, card, account string) Person {
		return Person{
			Name: name, Kind: "resident_id", Country: "CHN", Number: number, Phones: []string{phone},
			Cards: []Card{{Number: card, Phone: phone}}, Accounts: []string{account},
		}
	}
	return []Person{
		resident("张伟", "110101199003070134", "+8613800000001", "6222020000000000018", "9555010000000017"),
		resident("王芳", "310101198805120128", "+8613800000002", "6222020000000000026", "9555010000000025"),
		resident("李娜", "440103199207150143", "+8613800000003", "6222020000000000034", "9555010000000033"),
		resident("刘洋", "510104198511230156", "+8613800000004", "6222020000000000042", "9555010000000041"),
		resident("陈静", "330102199512010161", "+8613800000005", "6222020000000000059", "9555010000000058"),
		{
			Name: "Alice Carter", Kind: "passport", Country: "GBR", Number: "502135326", ExpiresOn: "2034-05-20",
			Phones: []string{"+8613800000006"}, Cards: []Card{{Number: "6222020000000000067", Phone: "+8613800000006"}},
			Accounts: []string{"9555010000000116"},
		},
	}
}

// Magic is a kind of document that makes trouble on every channel, whoever shows it.
type Magic struct {
	Ending string `json:"ending"`
	Fault  string `json:"fault"`
	Says   string `json:"says"`
}

// MagicDocuments is the table of magic documents. Ending are the three characters before the check character of a
// resident identity number, and the last three of any other.
func MagicDocuments() []Magic {
	return []Magic{
		{"901", FaultNoAnswer, "no channel ever answers"},
		{"902", FaultSlow, "every channel answers late, and matches"},
		{"903", FaultMismatch, "every channel says that something differs"},
		{"904", FaultNotFound, "no channel knows this document"},
		{"905", FaultBadSignature, "every answer is signed with a wrong key"},
		{"906", FaultDecidedError, "every channel decides, matches, and fails to say so the first time"},
		{"907", FaultError, "every channel fails"},
		{"908", FaultNone, "every channel matches"},
	}
}

// magicOf returns the fault of a document, and whether it is a magic one.
func magicOf(d document) (string, bool) {
	number := d.Number
	if d.Kind == "resident_id" && len(number) > 1 {
		number = number[:len(number)-1]
	}
	for _, m := range MagicDocuments() {
		if strings.HasSuffix(number, m.Ending) {
			return m.Fault, true
		}
	}
	return FaultNone, false
}

// The faults.
const (
	FaultNone         = "none"
	FaultNoAnswer     = "no_answer"
	FaultSlow         = "slow"
	FaultMismatch     = "mismatch"
	FaultNotFound     = "not_found"
	FaultBadSignature = "bad_signature"
	FaultDecidedError = "decided_error"
	FaultError        = "error"
)

// Fault is a trouble of a channel, for the next Times questions; Channel "" is every channel.
type Fault struct {
	Channel string `json:"channel"`
	Fault   string `json:"fault"`
	Times   int    `json:"times"`
}
