package auth

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// Papers are the name and the number of the document that a customer was verified with: a further proof of who
// recovers a wallet, since a stolen phone gets all codes. They are compared and kept nowhere.
type Papers struct {
	Name   string
	Number string
}

// PapersCheck compares papers with those of a customer, in a time that does not tell how much is right; known is
// false for who was never verified. It is asked before the decision.
type PapersCheck func(ctx context.Context, customer id.Customer, said Papers) (known, same bool, err error)

// papersTry are papers as compared before a decision.
type papersTry struct{ known, given, same bool }

func (a *Auth) papersTry(ctx context.Context, customer id.Customer, said Papers) (t papersTry, err error) {
	if a.Papers == nil {
		return t, nil
	}
	t.given = said != Papers{}
	t.known, t.same, err = a.Papers(ctx, customer, said)
	return t, fault.Wrap(err, "compare the document of "+string(customer))
}

// requirePapers refuses a recovery that does not show the document of a customer who was verified. Wrong ones are
// counted with the lockout of PINs, in the customer's row of PINs, which the caller stores where nothing else
// refuses.
//
// Errors: auth.document_required (Forbidden), auth.recovery_refused (Forbidden), auth.recovery_locked (Limited).
func (a *Auth) requirePapers(tx *commit.Tx, row *pin, t papersTry) error {
	if !t.known {
		return nil
	}
	if !t.given {
		return fault.New(fault.Forbidden, "auth.document_required", "this wallet was verified: recovery needs the document").
			WithParam("document_number").
			WithHint("send document_name and document_number as on the document of the verification")
	}
	if wait := row.Papers.wait(tx.Now()); wait > 0 {
		return recoveryLocked(wait)
	}
	if t.same {
		row.Papers = tries{}
		return nil
	}
	row.Papers = row.Papers.missed(tx.Now())
	a.pinTable.Put(tx, *row)
	if wait := row.Papers.wait(tx.Now()); wait > 0 {
		return commit.Keep(recoveryLocked(wait))
	}
	return commit.Keep(recoveryRefused())
}

// recoveryRefused is the one answer to a wrong code, a wrong document and a phone that nobody has.
func recoveryRefused() *fault.Fault {
	return fault.New(fault.Forbidden, "auth.recovery_refused", "this does not prove that the wallet is yours").
		WithHint("check the code, and name and number of the document; ask for a new code when in doubt")
}

func recoveryLocked(wait time.Duration) *fault.Fault {
	return fault.Newf(fault.Limited, "auth.recovery_locked",
		"too many wrong documents; try again in %s", inWords(wait)).WithRetryAfter(wait)
}
