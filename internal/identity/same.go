package identity

import (
	"context"
	"crypto/subtle"
	"strings"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// RequireSame refuses a name and a number that are not those of the customer's document, as a bank card of somebody
// else would have them. A customer who has shown no document yet may be anybody.
//
// Errors: identity.other_person (Conflict; it does not say which of the two differs).
func (s *Identities) RequireSame(ctx context.Context, customer id.Customer, name, number string) error {
	r, err := s.readRecord(ctx, customer)
	if err != nil || r.State == StateNone {
		return err
	}
	known, err := s.openDocument(r)
	if err != nil || s.same(s.person(known.Name, known.Number), name, number) {
		return err
	}
	return fault.New(fault.Conflict, "identity.other_person", "this is not the person who was verified here").
		WithHint("only your own, under the name and the number of your document")
}

// Papers compares what somebody who recovers a wallet says of the document with the last one that the customer was
// verified with: another one, shown since, proves nothing. It is an auth.PapersCheck: known is false for a customer
// whom no check has passed yet.
func (s *Identities) Papers(ctx context.Context, customer id.Customer, said auth.Papers) (known, same bool, err error) {
	r, err := s.readRecord(ctx, customer)
	if err != nil || r.State == StateNone {
		return false, false, err
	}
	if r.VerifiedMAC == "" { // never, or before it was kept
		person, err := s.parties.Customer(ctx, customer)
		if err != nil || person.Class == 0 && r.State != StateExpired {
			return false, false, err
		}
		shown, err := s.openDocument(r)
		if err != nil {
			return false, false, err
		}
		r.VerifiedMAC = s.person(shown.Name, shown.Number)
	}
	return true, s.same(r.VerifiedMAC, said.Name, said.Number), nil
}

// person is the keyed fingerprint of a name and a number as ParseDocument writes them, whatever the case of letters.
func (s *Identities) person(name, number string) string {
	return s.vault.Fingerprint("identity.person", number, strings.ToUpper(name))
}

// same compares a name and a number as somebody types them with a fingerprint, in a time that tells nothing.
func (s *Identities) same(known, name, number string) bool {
	name, nameErr := ParseName(name)
	number, numberErr := plainNumber(number)
	equal := subtle.ConstantTimeCompare([]byte(s.person(name, number)), []byte(known)) == 1
	return equal && nameErr == nil && numberErr == nil
}
