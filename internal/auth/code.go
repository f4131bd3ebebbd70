package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

// Purpose says what a one-time code is good for; it is good for nothing else.
type Purpose string

// The purposes of one-time codes.
const (
	PurposeRegister Purpose = "register"
	PurposeSignIn   Purpose = "sign_in"
	// PurposePay is for one payment, transfer or withdrawal, whose payee and amount the text names.
	PurposePay Purpose = "pay"
)

const (
	codeDigits   = 6
	codeMod      = 1_000_000
	codeFor      = 5 * time.Minute
	codeTriesMax = 5
	codeResend   = time.Minute // until another may be asked for, unless the last one was used
	codePrefix   = "otc_"

	codeEvery, codeBurst = 5 * time.Second, 60 // for one address
)

// codeRow is a one-time code as it is stored. Its id is the hash of a secret that only the device that asked holds: so
// nobody else can try the code, or use its tries up.
type codeRow struct {
	ID        string
	Purpose   Purpose
	Phone     string
	Subject   string // fingerprint of what is paid
	MAC       string // "" where the code can't be right: nobody got it
	Tries     int64
	UsedAt    time.Time
	ExpiresAt time.Time
	CreatedAt time.Time
}

// sendRow says when a phone may get the next code of a purpose.
type sendRow struct {
	ID     string
	CodeID string
	NextAt time.Time
}

// CodeAnswer is a one-time code as somebody types it, with the id that asking for it gave.
type CodeAnswer struct {
	ID     string
	Digits string
}

// CodeWish asks for a one-time code to a phone. Intent is set for PurposePay only.
type CodeWish struct {
	Phone   string
	Purpose Purpose
	Address string
	Intent  Intent
}

// CodeSent is what a device needs to answer with the code. The answer is the same whether the phone is known or not.
type CodeSent struct {
	ID          string    `json:"code_id" doc:"Send it back with the digits. Keep it to this device."`
	ExpiresAt   time.Time `json:"expires_at"`
	ResendAfter time.Time `json:"resend_after" doc:"Before it, no other code of this purpose is sent."`
}

func template(p Purpose) message.Template {
	return map[Purpose]message.Template{
		PurposeRegister: message.CodeRegister, PurposeSignIn: message.CodeSignIn,
		PurposeReset: message.CodeReset,
		PurposePay:   message.CodePay,
	}[p]
}

// SendCode sends a one-time code. A phone that nobody has registered gets none to sign in with; the
// answer and its time do not tell.
//
// Errors: party.bad_phone, auth.too_many_codes, auth.code_wait (Limited, with RetryAfter), message.too_many,
// message.not_configured.
func (a *Auth) SendCode(ctx context.Context, w CodeWish) (CodeSent, error) {
	phone, err := party.ParsePhone(w.Phone)
	if err != nil {
		return CodeSent{}, err
	}
	if a.messages == nil {
		return CodeSent{}, fault.New(fault.Unavailable, "message.not_configured", "this instance sends no texts to phones")
	}
	if ok, wait := a.byCodes.Allow(w.Address); !ok && w.Address != "" {
		return CodeSent{}, fault.New(fault.Limited, "auth.too_many_codes", "too many codes were asked for from here").
			WithRetryAfter(wait)
	}
	_, err = a.parties.CustomerByPhone(ctx, phone)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return CodeSent{}, err
	}
	muted := err != nil && w.Purpose != PurposeRegister
	token, digits := vault.Token(codePrefix), randomDigits()
	row := codeRow{
		ID: vault.HashToken(token), Purpose: w.Purpose, Phone: phone, Subject: w.Intent.fingerprint(),
	}
	if !muted {
		row.MAC = a.vault.MAC("code", row.ID, digits)
	}
	text, err := a.messages.NewDraft(message.Wish{
		To: phone, Template: template(w.Purpose), ValidFor: codeFor, Muted: muted, Values: message.Values{
			"code": digits, "minutes": strconv.Itoa(int(codeFor / time.Minute)),
			"amount": w.Intent.Amount.String(), "payee": w.Intent.PayeeName,
		},
	})
	if err != nil {
		return CodeSent{}, err
	}
	key := a.sendTable.Key(sendName(w.Purpose, phone))
	var sent CodeSent
	err = a.committer.Do(ctx, append(a.messages.Keys(text), key), func(tx *commit.Tx) error {
		last, _, err := a.sendTable.Get(tx, key)
		if err != nil {
			return err
		}
		if wait := last.NextAt.Sub(tx.Now()); wait > 0 {
			return fault.New(fault.Limited, "auth.code_wait", "a code was sent just now; wait for it or ask again later").
				WithRetryAfter(wait)
		}
		row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now().Add(codeFor)
		next := tx.Now().Add(codeResend)
		if err := a.messages.Send(tx, text); err != nil {
			return err
		}
		a.codeTable.Put(tx, row)
		a.sendTable.Put(tx, sendRow{ID: sendName(w.Purpose, phone), CodeID: row.ID, NextAt: next})
		sent = CodeSent{ID: token, ExpiresAt: row.ExpiresAt, ResendAfter: next}
		return nil
	})
	return sent, fault.Wrap(err, "send a code")
}

func sendName(p Purpose, phone string) string { return string(p) + "|" + phone }

func randomDigits() string {
	n, err := rand.Int(rand.Reader, big.NewInt(codeMod))
	if err != nil {
		panic("auth: " + err.Error()) // crypto/rand does not fail
	}
	return fmt.Sprintf("%0*d", codeDigits, n.Int64())
}

// codeTry is an answer ready for a decision.
type codeTry struct {
	id, mac string
	purpose Purpose
	phone   string
	subject string
}

// codeTry prepares an answer; the MAC is made outside the decision.
func (a *Auth) codeTry(c CodeAnswer, purpose Purpose, phone string, intent Intent) codeTry {
	name := vault.HashToken(c.ID)
	return codeTry{
		id: name, mac: a.vault.MAC("code", name, c.Digits), purpose: purpose, phone: phone, subject: intent.fingerprint(),
	}
}

func (a *Auth) codeKeys(t codeTry) []commit.Key {
	return []commit.Key{a.codeTable.Key(t.id), a.sendTable.Key(sendName(t.purpose, t.phone))}
}

// requireCode refuses a decision that has not the right code; it declared codeKeys. A wrong one is counted although
// the decision refuses. A right one is used up.
//
// Errors: auth.code_wrong (Forbidden, says how many tries are left), auth.code_invalid (Forbidden: never sent, over,
// used, tried too often, or for something else).
func (a *Auth) requireCode(tx *commit.Tx, t codeTry) error {
	row, err := a.rightCode(tx, t)
	if err != nil {
		return err
	}
	return a.useCode(tx, t, row)
}

// rightCode is requireCode without using the code up, for decisions that look at more than the code.
func (a *Auth) rightCode(tx *commit.Tx, t codeTry) (codeRow, error) {
	row, found, err := a.codeTable.Get(tx, a.codeTable.Key(t.id))
	if err != nil {
		return row, err
	}
	if !found || row.Purpose != t.purpose || row.Phone != t.phone || row.Subject != t.subject ||
		!row.UsedAt.IsZero() || !tx.Now().Before(row.ExpiresAt) || row.Tries >= codeTriesMax {
		return row, codeInvalid()
	}
	if row.MAC == "" || subtle.ConstantTimeCompare([]byte(row.MAC), []byte(t.mac)) != 1 {
		row.Tries++
		a.codeTable.Put(tx, row)
		if row.Tries >= codeTriesMax {
			return row, commit.Keep(codeInvalid())
		}
		return row, commit.Keep(fault.Newf(fault.Forbidden, "auth.code_wrong",
			"the code is wrong; %d tries left", codeTriesMax-row.Tries).WithParam("code"))
	}
	return row, nil
}

// useCode uses a right code up; another may be asked for at once.
func (a *Auth) useCode(tx *commit.Tx, t codeTry, row codeRow) error {
	row.UsedAt = tx.Now()
	a.codeTable.Put(tx, row)
	key := a.sendTable.Key(sendName(t.purpose, t.phone))
	last, found, err := a.sendTable.Get(tx, key)
	if err == nil && found && last.CodeID == row.ID {
		last.NextAt = time.Time{}
		a.sendTable.Put(tx, last)
	}
	return err
}

func codeInvalid() *fault.Fault {
	return fault.New(fault.Forbidden, "auth.code_invalid", "this code holds no more, or not for this").
		WithParam("code").WithHint("ask for a new code")
}

// RegisterByCode stores a new customer who proved the phone number with a code. Whether a number is
// registered is told only to who holds its phone. Errors: those of NewCustomer, auth.code_wrong, auth.code_invalid,
// party.phone_taken.
func (a *Auth) RegisterByCode(ctx context.Context, r Registration, code CodeAnswer) (party.Customer, error) {
	customer, err := a.NewCustomer(ctx, r)
	if err != nil {
		return party.Customer{}, err
	}
	t := a.codeTry(code, PurposeRegister, customer.Phone, Intent{})
	err = a.committer.Do(ctx, append(a.parties.CustomerKeys(customer), a.codeKeys(t)...), func(tx *commit.Tx) error {
		if err := a.requireCode(tx, t); err != nil {
			return err
		}
		if err := a.parties.AddCustomer(tx, customer); err != nil {
			return commit.Keep(err)
		}
		return a.recordCustomer(ctx, tx, customer)
	})
	if err != nil {
		a.noteCode(ctx, err)
		return party.Customer{}, fault.Wrap(err, "register customer")
	}
	return customer, nil
}

// SendPayCode sends a code for one payment of a signed-in customer to the customer's own phone. Errors: those of
// SendCode, party.customer_not_found.
func (a *Auth) SendPayCode(ctx context.Context, customer id.Customer, intent Intent) (CodeSent, error) {
	known, err := a.parties.Customer(ctx, customer)
	if err != nil {
		return CodeSent{}, err
	}
	return a.SendCode(ctx, CodeWish{Phone: known.Phone, Purpose: PurposePay, Intent: intent})
}
