// Package instruction proves what was ordered and with what it was paid, to each party its own half only.
//
// It is the idea of the dual signature of SET (Secure Electronic Transaction, Book 1, 1997, §4): order information and
// payment information are hashed each for itself, and the hash of both hashes is signed. Who has one half and the
// other's hash verifies that they belong together, and learns nothing of the other: the merchant proves the order
// without seeing the instrument, a channel sees the instrument without the order. In SET the cardholder signs; here the
// platform does, which had the payer's proof.
package instruction

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/jws"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// LinkType is the type of the signed document.
const LinkType = "feiqian-instruction+jwt"

// Half names one of the two.
type Half string

// The halves.
const (
	OrderHalf   Half = "order"
	PaymentHalf Half = "payment"
)

// Instruction is one half of a payment's instruction with what proves it.
type Instruction struct {
	Payment   id.Payment `json:"payment_id"`
	Half      Half       `json:"half" enum:"order,payment"`
	Text      string     `json:"text" maxLength:"4096" doc:"The half, as it was hashed: JSON."`
	Salt      string     `json:"salt" maxLength:"22" doc:"16 bytes, base64url. The half's hash is SHA-256 over the half's name, a zero byte, the salt and the text."`
	OtherHash string     `json:"other_hash" maxLength:"43" doc:"The hash of the half that you don't see, base64url."`
	Link      string     `json:"link" maxLength:"2048" doc:"The signed document that links both: a JWS in compact form, type feiqian-instruction+jwt."`
}

// Order is what was ordered: the merchant's half.
type Order struct {
	Merchant    id.Merchant    `json:"merchant_id"`
	Reference   string         `json:"reference,omitempty"`
	Description string         `json:"description,omitempty"`
	Amount      int64          `json:"amount"`
	Currency    money.Currency `json:"currency"`
	CreatedAt   time.Time      `json:"created_at"`
}

// Instrument is what pays: the channel's half. Attempt is the reference that the channel knows, where one took part.
type Instrument struct {
	Customer id.Customer       `json:"customer_id"`
	Method   payment.Method    `json:"method"`
	CardID   id.Card           `json:"card_id,omitempty"`
	Card     *payment.PaidCard `json:"card,omitempty"`
	Attempt  id.Attempt        `json:"attempt_id,omitempty"`
	Amount   int64             `json:"amount"`
	Currency money.Currency    `json:"currency"`
}

// claims are what the link says. Hash is SHA-256 over "feiqian-instruction/1", a zero byte, the order's hash and the
// payment's hash.
type claims struct {
	Payment  id.Payment `json:"sub"`
	Hash     string     `json:"hash"`
	IssuedAt int64      `json:"iat"`
}

const (
	version  = "feiqian-instruction/1"
	saltSize = 16
)

func encoded(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// hashOf hashes a half. A salt keeps the other party from trying out what the half may say.
func hashOf(half Half, salt, text string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(salt)
	if err != nil || len(raw) != saltSize {
		return nil, errBad
	}
	sum := sha256.New()
	sum.Write(append([]byte(half), 0))
	sum.Write(raw)
	sum.Write([]byte(text))
	return sum.Sum(nil), nil
}

var errBad = errors.New("instruction: not of this form")

func linkOf(order, paid []byte) string {
	sum := sha256.Sum256(append(append(append([]byte(version), 0), order...), paid...))
	return encoded(sum[:])
}

// row is an instruction as it is stored.
type row struct {
	id          id.Payment
	order, paid string
	orderSalt   string
	paidSalt    string
	link        string
	created     time.Time
}

// Parts are what Instructions is made of.
type Parts struct {
	Committer *commit.Committer
	DB        *sqldb.DB
	Clock     *clock.Clock
	Payments  *payment.Payments
	Signer    *jws.Signer
}

// Instructions runs the acts of this package.
type Instructions struct {
	Parts
	table *commit.Table[row]
}

// New returns Instructions on its parts, and registers its table.
func New(parts Parts) *Instructions {
	return &Instructions{Parts: parts, table: commit.AddTable(parts.Committer, "payment_instructions",
		commit.Text("id", func(r *row) *string { return (*string)(&r.id) }),
		commit.Text("order_text", func(r *row) *string { return &r.order }),
		commit.Text("order_salt", func(r *row) *string { return &r.orderSalt }),
		commit.Text("payment_text", func(r *row) *string { return &r.paid }),
		commit.Text("payment_salt", func(r *row) *string { return &r.paidSalt }),
		commit.Text("link", func(r *row) *string { return &r.link }),
		commit.Instant("created_at", func(r *row) *time.Time { return &r.created }),
	)}
}

// Create makes the instruction of a merchant's payment, once, and returns the merchant's half. Errors:
// payment.not_found, instruction.not_paid.
func (i *Instructions) Create(ctx context.Context, merchant id.Merchant, name id.Payment) (Instruction, error) {
	known, err := i.Payments.OfMerchant(ctx, merchant, name)
	if err != nil {
		return Instruction{}, err
	}
	if known.State != payment.Succeeded && known.State != payment.Authorized {
		return Instruction{}, fault.New(fault.Conflict, "instruction.not_paid",
			"a payment has an instruction once its payer has paid or authorized it")
	}
	made, err := i.make(&known)
	if err != nil {
		return Instruction{}, err
	}
	key := i.table.Key(string(name))
	err = i.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		stored, found, err := i.table.Get(tx, key)
		if err != nil || found {
			made = stored
			return err
		}
		made.created = tx.Now()
		i.table.Put(tx, made)
		return nil
	})
	if err != nil {
		return Instruction{}, fault.Wrap(err, "store the instruction of "+string(name))
	}
	return made.show(OrderHalf)
}

// make signs an instruction that is not stored yet.
func (i *Instructions) make(known *payment.Payment) (row, error) {
	made := row{id: known.ID, orderSalt: salt(), paidSalt: salt()}
	text, err := json.Marshal(Order{
		Merchant: known.Merchant, Reference: known.Reference, Description: known.Description, Amount: known.Minor,
		Currency: known.Currency, CreatedAt: known.CreatedAt,
	})
	if err != nil {
		return row{}, fault.Wrap(err, "write an order")
	}
	made.order = string(text)
	view := known.ForPayer("")
	text, err = json.Marshal(Instrument{
		Customer: known.Customer, Method: view.Method, CardID: view.CardID, Card: view.Card, Attempt: known.Attempt(),
		Amount: known.Minor, Currency: known.Currency,
	})
	if err != nil {
		return row{}, fault.Wrap(err, "write an instrument")
	}
	made.paid = string(text)
	order, paid, err := made.hashes()
	if err != nil {
		return row{}, fault.Wrap(err, "hash an instruction")
	}
	made.link, err = i.Signer.Sign(LinkType, claims{
		Payment: known.ID, Hash: linkOf(order, paid), IssuedAt: i.Clock.Now().Unix(),
	})
	return made, fault.Wrap(err, "sign an instruction")
}

func salt() string {
	var raw [saltSize]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead (crypto/rand)
	return encoded(raw[:])
}

func (r *row) hashes() (order, paid []byte, err error) {
	if order, err = hashOf(OrderHalf, r.orderSalt, r.order); err != nil {
		return nil, nil, err
	}
	paid, err = hashOf(PaymentHalf, r.paidSalt, r.paid)
	return order, paid, err
}

// show returns a half.
func (r *row) show(half Half) (Instruction, error) {
	order, paid, err := r.hashes()
	if err != nil {
		return Instruction{}, fault.Wrap(err, "read the instruction of "+string(r.id))
	}
	if half == OrderHalf {
		return Instruction{
			Payment: r.id, Half: half, Text: r.order, Salt: r.orderSalt, OtherHash: encoded(paid), Link: r.link,
		}, nil
	}
	return Instruction{
		Payment: r.id, Half: half, Text: r.paid, Salt: r.paidSalt, OtherHash: encoded(order), Link: r.link,
	}, nil
}

// ForChannel returns the half that a channel may see. Errors: instruction.not_found.
func (i *Instructions) ForChannel(ctx context.Context, name id.Payment) (Instruction, error) {
	r := row{id: name}
	err := i.DB.Read.QueryRowContext(ctx, `SELECT order_text, order_salt, payment_text, payment_salt, link
		FROM payment_instructions WHERE id = $1`, string(name)).
		Scan(&r.order, &r.orderSalt, &r.paid, &r.paidSalt, &r.link)
	if errors.Is(err, sql.ErrNoRows) {
		return Instruction{}, fault.New(fault.NotFound, "instruction.not_found", "this payment has no instruction").
			WithHint("its merchant makes one: POST /v1/payments/{id}/instruction")
	}
	if err != nil {
		return Instruction{}, fault.Wrap(err, "read the instruction of "+string(name))
	}
	return r.show(PaymentHalf)
}

// Verify checks that a half is what was signed with the other. It asks no database: who holds a half may verify it.
// Errors: instruction.invalid.
func (i *Instructions) Verify(half Instruction) error {
	invalid := fault.New(fault.Invalid, "instruction.invalid", "this half was not signed here, or was changed")
	own, err := hashOf(half.Half, half.Salt, half.Text)
	if err != nil {
		return invalid
	}
	other, err := base64.RawURLEncoding.Strict().DecodeString(half.OtherHash)
	if err != nil || len(other) != sha256.Size {
		return invalid
	}
	order, paid := own, other
	if half.Half == PaymentHalf {
		order, paid = other, own
	}
	var said claims
	if i.Signer.Verify(LinkType, half.Link, &said) != nil || said.Payment != half.Payment ||
		subtle.ConstantTimeCompare([]byte(said.Hash), []byte(linkOf(order, paid))) != 1 {
		return invalid
	}
	return nil
}
