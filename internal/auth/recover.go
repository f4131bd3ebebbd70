package auth

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/party"
)

// Recovery: a forgotten PIN is set anew by the login password, a forgotten password by a code to the phone, both
// together with the document of who was verified (papers.go). Whoever stole a phone could do much of the same, so a
// wallet that was recovered cools off (cooling.go), the owner is told by text, and who still knows the old PIN puts
// it back.

// PurposeReset is for a new login password.
const PurposeReset Purpose = "reset_password"

// PasswordReset asks for a new login password in the place of a forgotten one.
type PasswordReset struct {
	Phone   string
	New     string
	Code    CodeAnswer
	TOTP    string // of the authenticator app, where the wallet has one
	Papers  Papers // of the document, where the customer was verified
	Address string
}

// ResetPassword sets a new login password, proved by a code to the phone, by the code of the authenticator app where
// the wallet has one, and by the document of a customer who was verified. All sessions end, and the wallet cools off.
// What the wallet has is told only to who has the phone.
//
// Errors: party.bad_phone, auth.weak_password, auth.too_many_sign_ins, auth.recovery_refused (a wrong code, a wrong
// document, a phone that nobody has); with the right code auth.totp_required, auth.totp_*, auth.document_required,
// auth.recovery_locked, auth.closed.
func (a *Auth) ResetPassword(ctx context.Context, r PasswordReset) error {
	phone, err := party.ParsePhone(r.Phone)
	if err != nil {
		return err
	}
	if err := checkPassword(r.New); err != nil {
		return err
	}
	if err := a.limit(claim{login: phone, address: r.Address}); err != nil {
		return err
	}
	floor := time.NewTimer(refusalFloor)
	defer floor.Stop()
	customer, err := a.parties.CustomerByPhone(ctx, phone)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	customer.Phone = phone
	err = a.resetPassword(ctx, customer, r)
	a.noteRecovery(ctx, customerSubject(customer.ID), err)
	return hold(ctx, floor, fault.Wrap(err, "reset a password"))
}

// reset is a password reset whose slow parts are done.
type reset struct {
	customer party.Customer // without an id where nobody has the phone
	hash     string
	code     codeTry
	app      appTry
	papers   papersTry
	notice   *message.Draft
}

func (a *Auth) resetPassword(ctx context.Context, customer party.Customer, r PasswordReset) error {
	p := reset{customer: customer, code: a.codeTry(r.Code, PurposeReset, customer.Phone, Intent{})}
	s := customerSubject(customer.ID)
	var err error
	if p.hash, err = a.HashPassword(ctx, r.New); err != nil {
		return err
	}
	if p.app, err = a.appTry(ctx, s, r.TOTP); err != nil {
		return err
	}
	if customer.ID != "" {
		if p.papers, err = a.papersTry(ctx, customer.ID, r.Papers); err != nil {
			return err
		}
	}
	if p.notice, err = a.notice(customer.Phone, message.NoticePassword); err != nil {
		return err
	}
	keys := append(a.codeKeys(p.code), a.subjectKey(s), a.totpKey(s), a.PINKey(customer.ID))
	return a.committer.Do(ctx, append(keys, a.noticeKeys(p.notice)...), func(tx *commit.Tx) error {
		return a.decideReset(ctx, tx, p)
	})
}

// decideReset looks at the code first: nothing else is told to who has not the phone.
func (a *Auth) decideReset(ctx context.Context, tx *commit.Tx, p reset) error {
	code, err := a.rightCode(tx, p.code)
	if kind := fault.CodeOf(err); kind == "auth.code_wrong" || kind == "auth.code_invalid" {
		return commit.Keep(recoveryRefused())
	}
	if err != nil {
		return err
	}
	s := customerSubject(p.customer.ID)
	h, err := a.holder(tx, s)
	if err != nil {
		return err
	}
	if err := a.requireAppIfAny(tx, s, p.app); err != nil {
		return err
	}
	row, _, err := a.pinTable.Get(tx, a.PINKey(p.customer.ID))
	if err != nil {
		return err
	}
	row.Customer = p.customer.ID
	if err := a.requirePapers(tx, &row, p.papers); err != nil {
		return err
	}
	if err := h.admits(); err != nil {
		return err
	}
	if err := a.useCode(tx, p.code, code); err != nil {
		return err
	}
	h.renew(p.hash, tx.Now(), "")
	tx.After(a.ForgetSessions)
	row.beginCooling(tx.Now())
	a.pinTable.Put(tx, row)
	if err := a.tell(tx, p.notice, "password.reset", p.customer.ID); err != nil {
		return err
	}
	return a.recordCredential(signedIn(ctx, s, "", ""), tx, "password.reset", s, nil, nil)
}

// requireAppIfAny asks for the code of an app that counts. Errors: auth.totp_required, those of requireTOTP.
func (a *Auth) requireAppIfAny(tx *commit.Tx, s subject, t appTry) error {
	row, found, err := a.totpTable.Get(tx, a.totpKey(s))
	if err != nil || !found || row.ConfirmedAt.IsZero() {
		return err
	}
	if t.code == "" {
		return totpRequired()
	}
	_, err = a.requireTOTP(tx, s, t)
	return err
}

// cool lets a fresh PIN that no old one proved cool off; the old one is kept, so that its owner can put it back.
// Where one is kept already, that one stays.
func (p *pin) cool(now time.Time) {
	previous := p.MAC
	if p.cools(now) && p.PreviousMAC != "" {
		previous = p.PreviousMAC
	}
	p.beginCooling(now)
	p.PreviousMAC = previous
}

// RestorePIN puts the payment PIN back that was there before it was reset, proved by itself: for an owner who did not
// ask for the reset. Cooling off ends, and so do all other sessions. Wrong ones count as wrong PINs.
//
// Errors: auth.bad_pin, auth.pin_not_cooling (Conflict), auth.pin_wrong, auth.pin_locked.
func (a *Auth) RestorePIN(ctx context.Context, session Session, digits string) error {
	customer := session.Customer()
	mac, err := a.PINMAC(customer, digits)
	if err != nil {
		return err
	}
	key := a.PINKey(customer)
	err = a.committer.Do(ctx, []commit.Key{key, a.subjectKey(session.subject())}, func(tx *commit.Tx) error {
		row, found, err := a.pinTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.PreviousMAC == "" || !tx.Now().Before(row.CoolingUntil) {
			return fault.New(fault.Conflict, "auth.pin_not_cooling", "no payment PIN was reset within a day")
		}
		if wait := row.Tries.wait(tx.Now()); wait > 0 {
			return pinLocked(wait)
		}
		if subtle.ConstantTimeCompare([]byte(row.PreviousMAC), []byte(mac)) != 1 {
			return a.missPIN(tx, row)
		}
		h, err := a.holder(tx, session.subject())
		if err != nil {
			return err
		}
		h.endSessions(tx.Now(), session.ID)
		tx.After(a.ForgetSessions)
		a.pinTable.Put(tx, pin{Customer: customer, MAC: row.PreviousMAC, Papers: row.Papers, UpdatedAt: tx.Now()})
		if err := a.announce(tx, "pin.restored", string(customer), credentialEvent{Customer: customer}); err != nil {
			return err
		}
		return a.recordCredential(ctx, tx, "pin.restored", session.subject(), nil, nil)
	})
	return fault.Wrap(err, "restore the PIN of "+string(customer))
}

// credentialEvent is what an event says of a recovered credential.
type credentialEvent struct {
	Customer id.Customer `json:"customer_id"`
}

// notice drafts a text without values to a customer; nil where no texts are sent.
func (a *Auth) notice(phone string, template message.Template) (*message.Draft, error) {
	if a.messages == nil || a.messages.Sender == nil {
		return nil, nil //nolint:nilnil // nobody is to be told
	}
	draft, err := a.messages.NewDraft(message.Wish{To: phone, Template: template, ValidFor: noticeFor})
	return &draft, err
}

func (a *Auth) noticeKeys(draft *message.Draft) []commit.Key {
	if draft == nil {
		return nil
	}
	return a.messages.Keys(*draft)
}

// tell sends a notice and writes the event. A phone that got too many texts today must not lock its owner out.
func (a *Auth) tell(tx *commit.Tx, draft *message.Draft, kind string, customer id.Customer) error {
	if draft != nil {
		if err := a.messages.Send(tx, *draft); err != nil && fault.KindOf(err) != fault.Limited {
			return err
		}
	}
	return a.announce(tx, kind, string(customer), credentialEvent{Customer: customer})
}
