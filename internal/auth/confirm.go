package auth

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

// ActKind says what is confirmed.
type ActKind string

// The acts that a payer confirms.
const (
	ActPayment    ActKind = "payment"
	ActTransfer   ActKind = "transfer"
	ActWithdrawal ActKind = "withdrawal"
	ActTopUp      ActKind = "top_up"
)

// Intent is what a confirmation is about: codes and passkeys hold for it and for nothing else. ID is the
// payment's, "" for acts that have none yet; Payee is the id of who gets the money, PayeeName what people read.
type Intent struct {
	Act       ActKind
	ID        string
	Payee     string
	PayeeName string
	Amount    money.Amount
	// ByCard says that a bank card pays. It is not part of the text: payee and amount are the same.
	ByCard bool
}

// Text is the canonical text of an intent, which a passkey signs through the challenge and a code is bound to. The name
// is not part of it: ids do not change.
func (i Intent) Text() string {
	return strings.Join([]string{
		"feiqian/confirm/1", string(i.Act), i.ID, i.Payee, i.Amount.String(),
	}, "\n")
}

// fingerprint is the hash of the text; "" for no intent.
func (i Intent) fingerprint() string {
	if i.Act == "" {
		return ""
	}
	return vault.HashToken(i.Text())
}

// Proof is what a payer brings to confirm an act: the PIN, alone or with a code or the code of an app; or a passkey.
// Nothing of it is kept. Device is the proof of a device that has promised one; see devproof.go.
type Proof struct {
	PIN     string
	Code    CodeAnswer
	TOTP    string
	Passkey PasskeyAnswer
	Device  DeviceProof
}

// Offers are the factors that the proof would show if all of it is right.
func (p Proof) Offers() Factors {
	f := Factors{Knowledge: p.PIN != "", Possession: p.Code.ID != "" || p.TOTP != ""}
	if p.Passkey.Challenge != "" {
		f.Possession, f.Inherence, f.Signature = true, true, true
	}
	return f
}

// Payer is the device at which somebody confirms, as the session knows it: since when it is the customer's, and
// whether it promised to prove itself.
type Payer struct {
	Device       id.Device
	DeviceSince  time.Time
	DeviceProves bool
}

// Confirmation is an act to confirm, by whom and how.
type Confirmation struct {
	Customer id.Customer
	By       Payer
	Intent   Intent
	Proof    Proof
}

// Confirming is a confirmation whose slow parts are done: signatures were checked and MACs made. Require decides.
type Confirming struct {
	auth    *Auth
	c       Confirmation
	pinMAC  string
	code    codeTry
	app     appTry
	passkey passkeyTry
	refusal error // found before the decision; told in it, so that an act that is done is answered as it was
}

// Confirm prepares a confirmation outside the decision; it costs no query for a PIN alone. The decision declares
// Keys and calls Require. Errors: auth.bad_pin, auth.proof_required, an answer of a passkey that can't be read.
func (a *Auth) Confirm(ctx context.Context, c Confirmation) (*Confirming, error) {
	p := c.Proof
	if p.PIN == "" && p.Passkey.Challenge == "" {
		return nil, fault.New(fault.Invalid, "auth.proof_required", "confirm with the payment PIN or a passkey").
			WithParam("pin")
	}
	prepared := &Confirming{auth: a, c: c}
	var err error
	if p.PIN != "" {
		if prepared.pinMAC, err = a.PINMAC(c.Customer, p.PIN); err != nil {
			return nil, err
		}
	}
	if c.By.DeviceProves {
		prepared.refusal = a.checkDevice(c.By.Device, "confirm", c.Intent.Text(), p.Device)
	}
	if p.Code.ID != "" {
		var known party.Customer
		if known, err = a.parties.PayeeByID(ctx, c.Customer); err != nil {
			return nil, err
		}
		prepared.code = a.codeTry(p.Code, PurposePay, known.Phone, c.Intent)
	}
	if p.TOTP != "" {
		if prepared.app, err = a.appTry(ctx, customerSubject(c.Customer), p.TOTP); err != nil {
			return nil, err
		}
	}
	if p.Passkey.Challenge != "" {
		try, refusal, err := a.passkeyTry(ctx, c.Customer, c.Intent, p.Passkey)
		if err != nil {
			return nil, err
		}
		prepared.passkey = try
		if prepared.refusal == nil {
			prepared.refusal = refusal
		}
	}
	return prepared, nil
}

// Keys names the rows that Require reads.
func (c *Confirming) Keys() []commit.Key {
	keys := []commit.Key{c.auth.PINKey(c.c.Customer)}
	if c.code.id != "" {
		keys = append(keys, c.auth.codeKeys(c.code)...)
	}
	if c.c.Proof.TOTP != "" {
		keys = append(keys, c.auth.totpKey(customerSubject(c.c.Customer)))
	}
	if c.passkey.challenge != "" {
		keys = append(keys, c.auth.passkeyKeys(c.passkey)...)
	}
	return keys
}

// Require refuses a decision whose proof is wrong, or not enough after what was paid today; otherwise all that the
// proof offers was shown. Call it before anything is written. Wrong PINs and codes are counted although the decision
// refuses (commit.Keep); a code or challenge is used up by a decision that is taken, and only by it.
//
// Errors: auth.step_up_required (Forbidden, before any secret is looked at), auth.cooling_off,
// auth.device_proof_missing, those of RequirePIN, auth.code_*, auth.totp_*, auth.passkey_*.
func (c *Confirming) Require(tx *commit.Tx, today limit.Today) error {
	if c.refusal != nil {
		return c.refusal
	}
	asked := Asks(Situation{
		Act: c.c.Intent.Act, Amount: c.c.Intent.Amount, Today: today, DeviceSince: c.c.By.DeviceSince, Now: tx.Now(),
		ByCard: c.c.Intent.ByCard,
	})
	if !asked.Need.MetBy(c.c.Proof.Offers()) {
		return stepUpRequired(asked)
	}
	var cooling Cooling
	if c.c.Intent.Act != ActTopUp { // which brings money in
		var err error
		if cooling, err = c.auth.RequireSettled(tx, c.c.Customer, c.c.Intent.Amount); err != nil {
			return err
		}
	}
	if err := c.requireSecrets(tx); err != nil {
		return err
	}
	return cooling.Put(tx)
}

// requireSecrets looks at all that the proof offers. The PIN first: where it is wrong, no code is tried.
func (c *Confirming) requireSecrets(tx *commit.Tx) error {
	a := c.auth
	if c.pinMAC != "" {
		if err := a.RequirePIN(tx, c.c.Customer, c.pinMAC); err != nil {
			return err
		}
	}
	if c.passkey.challenge != "" {
		if err := a.requirePasskey(tx, c.passkey); err != nil {
			return err
		}
	}
	if c.code.id != "" {
		if err := a.requireCode(tx, c.code); err != nil {
			return err
		}
	}
	if c.c.Proof.TOTP != "" {
		if err := a.requireApp(tx, customerSubject(c.c.Customer), c.app); err != nil {
			return err
		}
	}
	return nil
}
