package card

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	codeWithin   = 10 * time.Minute // a code is good for
	codeTriesMax = 3                // codes for one binding
	documentMin  = 5                // characters
	documentMax  = 32
)

// BindRequest is the four elements, and the PIN of the wallet.
type BindRequest struct {
	Customer   id.Customer
	PAN        vault.PAN
	HolderName string
	Document   string
	Phone      string
	ExpiresOn  string // YYYY-MM, credit cards only
	PIN        string
}

// Bind asks the card's issuer to send a code, and stores the card as awaiting it. Where the issuer refuses or does not
// answer, nothing is stored but the count of tries.
//
// Errors: card.not_configured, card.bad_number, card.issuer_not_supported, card.bad_expiry, card.bad_document,
// party.bad_name, party.bad_phone, those of auth.RequirePIN, party.customer_not_active, card.already_bound,
// card.binding_under_way, card.too_many, card.too_many_checks, identity.other_person, card.refused_… (Conflict, with
// the decline code), and those of Issuer.
func (c *Cards) Bind(ctx context.Context, r BindRequest) (Card, error) {
	issuer, err := c.issuer()
	if err != nil {
		return Card{}, err
	}
	bin, err := r.check(c.Clock.Now())
	if err != nil {
		return Card{}, err
	}
	mac, err := c.Auth.PINMAC(r.Customer, r.PIN)
	if err != nil {
		return Card{}, err
	}
	drafted := c.draft(r, bin)
	if err := c.allow(ctx, r, drafted, mac); err != nil {
		return Card{}, err
	}
	if c.SamePerson != nil {
		if err := c.SamePerson(ctx, r.Customer, r.HolderName, r.Document); err != nil {
			return Card{}, err
		}
	}
	answer, err := issuer.Start(ctx, StartRequest{
		Card: drafted.ID, PAN: r.PAN, HolderName: r.HolderName, Document: r.Document, Phone: r.Phone, ExpiresOn: r.ExpiresOn,
	})
	if err != nil {
		return Card{}, fault.Wrap(err, "start binding "+string(drafted.ID))
	}
	if answer.Outcome != OutcomeWaiting {
		return Card{}, refused(answer.DeclineCode)
	}
	drafted.SealedPAN, err = c.Vault.Seal(purposePAN, panAAD(drafted.ID), []byte(r.PAN.Reveal()))
	if err != nil {
		return Card{}, err
	}
	return c.store(ctx, drafted)
}

// check reads what was typed, into the form in which the issuer gets it.
func (r *BindRequest) check(now time.Time) (BIN, error) {
	bin, err := identify(r.PAN)
	if err != nil {
		return bin, err
	}
	if r.HolderName, err = party.ParseName(r.HolderName); err != nil {
		return bin, fault.From(err).WithParam("holder_name")
	}
	if r.Phone, err = party.ParsePhone(r.Phone); err != nil {
		return bin, err
	}
	r.Document = strings.ToUpper(strings.TrimSpace(r.Document))
	if n := utf8.RuneCountInString(r.Document); n < documentMin || n > documentMax ||
		strings.ContainsFunc(r.Document, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return bin, fault.New(fault.Invalid, "card.bad_document", "this is not a document number").
			WithParam("document_number")
	}
	if bin.Type != Credit {
		r.ExpiresOn = "" // nobody asks for it, and it is not kept
		return bin, nil
	}
	// A card is good until the end of its month (ISO/IEC 7813 expiry, YYMM).
	month, err := time.Parse("2006-01", r.ExpiresOn)
	if err != nil || !now.Before(month.AddDate(0, 1, 0)) || month.After(now.AddDate(expiryYearsMax, 0, 0)) {
		return bin, fault.New(fault.Invalid, "card.bad_expiry", "a credit card is good until a month from now on").
			WithParam("expires_on").WithHint("write it as YYYY-MM")
	}
	return bin, nil
}

const expiryYearsMax = 20

// draft makes the row that is stored when the issuer agrees.
func (c *Cards) draft(r BindRequest, bin BIN) row {
	return row{
		ID: id.New[id.Card](
			c.Clock.Now(),
		),
		Customer:  r.Customer,
		State:     AwaitingCode,
		Masked:    r.PAN.Masked(),
		Issuer:    bin.Issuer,
		Type:      bin.Type,
		Scheme:    bin.Scheme,
		ExpiresOn: r.ExpiresOn,
		Phone:     party.MaskPhone(r.Phone),
		PANKey:    c.Vault.Fingerprint(purposePAN, string(r.Customer), r.PAN.Reveal()),
	}
}

// allow decides whether the issuer is asked at all, and counts it.
func (c *Cards) allow(ctx context.Context, r BindRequest, drafted row, mac string) error {
	person := limited{id: string(r.Customer), max: checksOfPersonMax}
	number := limited{id: "pan." + c.Vault.Fingerprint("card.check", r.PAN.Reveal()), max: checksOfCardMax}
	keys := append(c.bindKeys(drafted), c.Auth.PINKey(r.Customer), c.Parties.CustomerKey(r.Customer),
		c.checks.Key(person.id), c.checks.Key(number.id))
	return c.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		if err := c.Auth.RequirePIN(tx, r.Customer, mac); err != nil {
			return err
		}
		if err := c.Parties.RequireActive(tx, r.Customer); err != nil {
			return err
		}
		if _, err := c.mayHold(tx, drafted); err != nil {
			return err
		}
		return c.countChecks(tx, person, number)
	})
}

func (c *Cards) bindKeys(r row) []commit.Key {
	return []commit.Key{c.cards.KeyBy("pan_key", r.PANKey), c.holders.Key(string(r.Customer))}
}

// mayHold refuses a card that the customer has already, and one too many.
func (c *Cards) mayHold(tx *commit.Tx, r row) (holder, error) {
	known, found, err := c.cards.Get(tx, c.cards.KeyBy("pan_key", r.PANKey))
	if err != nil {
		return holder{}, err
	}
	// A row of this group may stand under a key that it has given up meanwhile.
	if found && known.PANKey == r.PANKey {
		if known.State == Bound {
			return holder{}, fault.New(fault.Conflict, "card.already_bound", "this card is bound already").WithParam("number")
		}
		return holder{}, fault.New(fault.Conflict, "card.binding_under_way", "this card is being bound").WithParam("number").
			WithHint("enter the code that its bank sent, or remove the card first")
	}
	own, _, err := c.holders.Get(tx, c.holders.Key(string(r.Customer)))
	if err != nil {
		return own, err
	}
	own.Customer = r.Customer
	if own.Cards >= cardsMax {
		return own, fault.Newf(fault.Conflict, "card.too_many", "no more than %d cards can be bound", cardsMax).
			WithHint("remove one first")
	}
	return own, nil
}

func (c *Cards) store(ctx context.Context, drafted row) (Card, error) {
	var made Card
	keys := append(c.bindKeys(drafted), c.cards.Key(string(drafted.ID)))
	err := c.Committer.Do(ctx, keys, func(tx *commit.Tx) error {
		own, err := c.mayHold(tx, drafted)
		if err != nil {
			return err
		}
		own.Cards++
		stored := drafted
		stored.CreatedAt, stored.QueryAt = tx.Now(), tx.Now().Add(codeWithin)
		c.holders.Put(tx, own)
		c.cards.Put(tx, stored)
		made = stored.view(own.Default)
		return nil
	})
	return made, fault.Wrap(err, "store card "+string(drafted.ID))
}

// refused is an issuer's no to the four elements.
func refused(code DeclineCode) error {
	message := map[DeclineCode]string{ //nolint:exhaustive // the rest is told alike
		DeclineMismatch:    "name, document, card number and phone do not belong together at the bank",
		DeclineExpiredCard: "the bank says that this card has expired",
		DeclineBlocked:     "the bank says that this card is blocked",
		DeclineNotAllowed:  "the bank does not allow quick pay for this card",
	}[code]
	if message == "" {
		code, message = DeclineOther, "the bank refused"
	}
	return fault.New(fault.Conflict, "card.refused_"+string(code), message).WithHint("ask the bank, or bind another card")
}
