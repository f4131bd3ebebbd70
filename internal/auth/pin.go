package auth

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/message"
)

const pinLength = 6

// pin is a customer's payment PIN as it is stored: its keyed MAC, never the PIN.
type pin struct {
	Customer  id.Customer
	MAC       string
	Tries     tries
	UpdatedAt time.Time
	// CoolingUntil is until when the wallet pays a small sum only, CoolingSpent what it has paid of it, in parts of
	// coolingWhole; PreviousMAC is the PIN that can be put back until then. See cooling.go and recover.go. A wallet that
	// cools off may have no PIN.
	CoolingUntil time.Time
	CoolingSpent int64
	PreviousMAC  string
	// Papers are the wrong documents shown at recoveries; see papers.go.
	Papers tries
}

// PINMAC returns the MAC of a PIN for RequirePIN; make it before the decision. Errors: auth.bad_pin (not
// six digits; not counted as a try).
func (a *Auth) PINMAC(customer id.Customer, digits string) (string, error) {
	if len(digits) != pinLength || strings.Trim(digits, "0123456789") != "" {
		return "", fault.New(fault.Invalid, "auth.bad_pin", "a payment PIN has six digits").WithParam("pin")
	}
	return a.vault.PINMAC(customer, digits), nil
}

// PINKey names the row that RequirePIN reads; the decision declares it.
func (a *Auth) PINKey(customer id.Customer) commit.Key { return a.pinTable.Key(string(customer)) }

// RequirePIN refuses a decision that has not the right PIN, given by its MAC; the decision declared
// PINKey and calls this before it writes anything. A wrong one is counted although the decision
// refuses (commit.Keep). A right one writes nothing unless wrong ones were counted before.
//
// Errors: auth.pin_wrong (Forbidden, says how many tries are left), auth.pin_locked (Limited, with
// RetryAfter), auth.pin_not_set (Conflict).
func (a *Auth) RequirePIN(tx *commit.Tx, customer id.Customer, mac string) error {
	row, found, err := a.pinTable.Get(tx, a.PINKey(customer))
	if err != nil {
		return err
	}
	if !found || row.MAC == "" {
		return fault.New(fault.Conflict, "auth.pin_not_set", "there is no payment PIN yet").
			WithParam("pin").WithHint("set a payment PIN first")
	}
	if wait := row.Tries.wait(tx.Now()); wait > 0 {
		return pinLocked(wait)
	}
	if subtle.ConstantTimeCompare([]byte(row.MAC), []byte(mac)) == 1 {
		if row.Tries.failures > 0 {
			row.Tries = tries{}
			a.pinTable.Put(tx, row)
		}
		return nil
	}
	return a.missPIN(tx, row)
}

// missPIN counts a wrong PIN and returns the answer to it.
func (a *Auth) missPIN(tx *commit.Tx, row pin) error {
	row.Tries = row.Tries.missed(tx.Now())
	a.pinTable.Put(tx, row)
	if wait := row.Tries.wait(tx.Now()); wait > 0 {
		return commit.Keep(pinLocked(wait))
	}
	return commit.Keep(fault.Newf(fault.Forbidden, "auth.pin_wrong",
		"the payment PIN is wrong; %d tries left", row.Tries.left()).WithParam("pin"))
}

func pinLocked(wait time.Duration) *fault.Fault {
	return fault.Newf(fault.Limited, "auth.pin_locked",
		"too many wrong payment PINs; try again in %s", inWords(wait)).WithParam("pin").WithRetryAfter(wait)
}

// PINChange asks for a new payment PIN, proved by the old one or else by the login password.
type PINChange struct {
	Customer id.Customer
	OldPIN   string
	Password string
	// Papers are wanted beside the password where there is a PIN already and the customer was verified.
	Papers Papers
	NewPIN string
}

// SetPIN sets a payment PIN, the first one or a new one. The login password does not lift the lock of
// a PIN, and a PIN that it resets cools off; see recover.go.
//
// Errors: auth.bad_pin, auth.weak_pin, auth.proof_required, those of VerifyPassword, of RequirePIN and, where the
// password resets a PIN, of requirePapers; party.customer_not_found.
func (a *Auth) SetPIN(ctx context.Context, change PINChange) error {
	customer, err := a.parties.Customer(ctx, change.Customer)
	if err != nil {
		return err
	}
	mac, err := a.newPIN(change, customer.Phone)
	if err != nil {
		return err
	}
	var oldMAC string
	var papers papersTry
	switch {
	case change.OldPIN != "":
		if oldMAC, err = a.PINMAC(change.Customer, change.OldPIN); err != nil {
			return fault.From(err).WithParam("old_pin")
		}
	case change.Password != "":
		if err := a.VerifyPassword(ctx, change.Customer, change.Password); err != nil {
			return err
		}
		if papers, err = a.papersTry(ctx, change.Customer, change.Papers); err != nil {
			return err
		}
	default:
		return fault.New(fault.Invalid, "auth.proof_required", "a new payment PIN needs the old one or the password").
			WithParam("password")
	}
	notice, err := a.notice(customer.Phone, message.NoticePIN)
	if err != nil {
		return err
	}
	key := a.PINKey(change.Customer)
	err = a.committer.Do(ctx, append(a.noticeKeys(notice), key), func(tx *commit.Tx) error {
		if err := a.proved(tx, change.Customer, oldMAC); err != nil {
			return err
		}
		row, _, err := a.pinTable.Get(tx, key)
		if err != nil {
			return err
		}
		kind := "pin.changed"
		if oldMAC == "" && row.MAC != "" {
			kind = "pin.reset"
			if err := a.requirePapers(tx, &row, papers); err != nil {
				return err
			}
			row.cool(tx.Now())
			if err := a.tell(tx, notice, kind, change.Customer); err != nil {
				return err
			}
		}
		row.Customer, row.MAC, row.Tries, row.UpdatedAt = change.Customer, mac, tries{}, tx.Now()
		a.pinTable.Put(tx, row)
		return a.Trail.Add(ctx, tx, audit.Act{Kind: kind, Subject: string(change.Customer)})
	})
	a.noteRecovery(ctx, customerSubject(change.Customer), err)
	return fault.Wrap(err, "set PIN of "+string(change.Customer))
}

// proved checks the old PIN; without one, the password was right and only a lock is in the way.
func (a *Auth) proved(tx *commit.Tx, customer id.Customer, oldMAC string) error {
	if oldMAC != "" {
		return a.RequirePIN(tx, customer, oldMAC)
	}
	row, _, err := a.pinTable.Get(tx, a.PINKey(customer))
	if err != nil {
		return err
	}
	if wait := row.Tries.wait(tx.Now()); wait > 0 {
		return pinLocked(wait)
	}
	return nil
}

// newPIN returns the MAC of the new PIN, unless anybody would guess it.
func (a *Auth) newPIN(change PINChange, phone string) (string, error) {
	mac, err := a.PINMAC(change.Customer, change.NewPIN)
	if err != nil {
		return "", fault.From(err).WithParam("new_pin")
	}
	if TrivialPIN(change.NewPIN) || strings.HasSuffix(phone, change.NewPIN) {
		return "", fault.New(fault.Invalid, "auth.weak_pin", "this payment PIN is too easy to guess").
			WithParam("new_pin").WithHint("no run, no single digit, not the end of the phone number")
	}
	return mac, nil
}

// TrivialPIN reports whether six digits are a run or all the same: each follows the one before by the
// same step of −1, 0 or +1, with 0 next to 9. What has not six digits is no PIN and counts as trivial.
func TrivialPIN(digits string) bool {
	const base = 10
	if len(digits) != pinLength {
		return true
	}
	step := (digits[1] - digits[0] + base) % base
	if step != 0 && step != 1 && step != base-1 {
		return false
	}
	for i := 2; i < len(digits); i++ {
		if (digits[i]-digits[i-1]+base)%base != step {
			return false
		}
	}
	return true
}

// HasPIN reports whether a customer has set a payment PIN.
func (a *Auth) HasPIN(ctx context.Context, customer id.Customer) (bool, error) {
	return a.readHasPIN(ctx, customer)
}
