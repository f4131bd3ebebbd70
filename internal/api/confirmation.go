package api

import (
	"context"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// How payers confirm: what an act needs, and the proof that its request carries.

func (s *Services) confirmationEndpoints() []Endpoint {
	return []Endpoint{
		Handle(Route{
			Method: post, Path: "/wallet/v1/confirmations", Actor: ActorCustomer, Status: 201, Tag: "Confirmation",
			Name: "create_confirmation", Summary: "Ask which factors an act needs and why, and for a code or a challenge",
		}, s.createConfirmation),
	}
}

// ProofBody is embedded in the body of an act that a payer confirms.
type ProofBody struct {
	PIN         string            `json:"pin,omitempty" minLength:"6" maxLength:"6" doc:"The payment PIN, six digits. Left out with a passkey."`
	CodeID      string            `json:"code_id,omitempty" maxLength:"80" doc:"Of the one-time code that POST /wallet/v1/confirmations sent."`
	Code        string            `json:"code,omitempty" maxLength:"6" doc:"The one-time code."`
	TOTP        string            `json:"totp,omitempty" maxLength:"20" doc:"The code of the authenticator app, or a recovery code."`
	Passkey     *PasskeyBody      `json:"passkey,omitempty"`
	DeviceProof *auth.DeviceProof `json:"device_proof,omitempty" doc:"Of a device that promised to prove itself; see docs/credentials.md."`
}

// PasskeyBody is a passkey's answer.
type PasskeyBody struct {
	Challenge  id.Challenge `json:"challenge_id" maxLength:"40"`
	Credential string       `json:"credential" minLength:"2" maxLength:"16384" doc:"JSON.stringify of the browser's PublicKeyCredential."`
}

func (b PasskeyBody) answer() auth.PasskeyAnswer {
	return auth.PasskeyAnswer{Challenge: b.Challenge, Credential: []byte(b.Credential)}
}

func (b ProofBody) proof() auth.Proof {
	p := auth.Proof{PIN: b.PIN, Code: auth.CodeAnswer{ID: b.CodeID, Digits: b.Code}, TOTP: b.TOTP}
	if b.Passkey != nil {
		p.Passkey = b.Passkey.answer()
	}
	if b.DeviceProof != nil {
		p.Device = *b.DeviceProof
	}
	return p
}

func payerOf(ctx context.Context) auth.Payer {
	caller := CallerOf(ctx)
	return auth.Payer{Device: caller.Device, DeviceSince: caller.DeviceSince, DeviceProves: caller.DeviceProves}
}

type createConfirmationBody struct {
	Act         auth.ActKind   `json:"act" enum:"payment,transfer,withdrawal,top_up"`
	Payment     id.Payment     `json:"payment_id,omitempty" maxLength:"40" doc:"Of a payment."`
	QRCode      id.QRCode      `json:"qr_code_id,omitempty" maxLength:"40" doc:"Of a receive code that is paid; with its act and amount."`
	Payee       string         `json:"payee,omitempty" maxLength:"40" doc:"Of a transfer, as in its request."`
	BankAccount id.BankAccount `json:"bank_account_id,omitempty" maxLength:"40" doc:"Of a withdrawal or top-up."`
	Card        id.Card        `json:"card_id,omitempty" maxLength:"40" doc:"Of a withdrawal or top-up, in place of the bank account; of a payment that a card pays."`
	Minor       int64          `json:"amount,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Of all but a payment, in minor units."`
	Currency    money.Currency `json:"currency,omitempty" maxLength:"5"`
	Want        string         `json:"want,omitempty" enum:"code,passkey" doc:"Send a one-time code for this act, or make a challenge for a passkey."`
}

type createConfirmationRequest struct {
	Body createConfirmationBody
}

// ConfirmationNeeds is what an act needs, with what was wanted for it.
type ConfirmationNeeds struct {
	auth.StepUp
	Text      string         `json:"text" doc:"What a device proof and a passkey's challenge are about."`
	PayeeName string         `json:"payee_name,omitempty"`
	Code      *auth.CodeSent `json:"code,omitempty"`
	Passkey   *PasskeyAsk    `json:"passkey,omitempty"`
}

// PasskeyAsk is a challenge for a passkey: the members of the browser's options.
type PasskeyAsk struct {
	Challenge    id.Challenge `json:"challenge_id"`
	Bytes        string       `json:"challenge" doc:"Base64url; what the passkey signs."`
	Nonce        string       `json:"nonce,omitempty" doc:"Of a confirmation: challenge = base64url(SHA-256(nonce, line feed, text))."`
	RelyingParty string       `json:"rp_id"`
	Credentials  []string     `json:"credential_ids" doc:"Of a confirmation and a sign-in those to allow, of a registration those to leave out."`
	Algorithms   []int64      `json:"algorithms" doc:"COSE numbers, best first."`
	UserHandle   string       `json:"user_id,omitempty" doc:"Of a registration: the user's id, as bytes of its characters."`
	ExpiresAt    time.Time    `json:"expires_at"`
}

func (s *Services) passkeyAsk(c auth.PasskeyChallenge, keys []auth.Passkey) *PasskeyAsk {
	ask := &PasskeyAsk{
		Challenge: c.ID, Bytes: c.Challenge, RelyingParty: s.Auth.RelyingParty().ID, ExpiresAt: c.ExpiresAt,
		Algorithms: auth.PasskeyAlgorithms(), Credentials: []string{},
	}
	if c.Text != "" {
		ask.Nonce = c.Nonce
	}
	for _, key := range keys {
		ask.Credentials = append(ask.Credentials, key.Credential)
	}
	return ask
}

func (s *Services) createConfirmation(ctx context.Context, req *createConfirmationRequest) (*ConfirmationNeeds, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	intent, err := s.intent(ctx, req.Body)
	if err != nil {
		return nil, err
	}
	caller := CallerOf(ctx)
	today, err := s.today(ctx, caller.Customer, intent)
	if err != nil {
		return nil, err
	}
	needs := &ConfirmationNeeds{Text: intent.Text(), PayeeName: intent.PayeeName, StepUp: auth.Asks(auth.Situation{
		Act: intent.Act, Amount: intent.Amount, Today: today, DeviceSince: caller.DeviceSince, Now: s.Clock.Now(),
		ByCard: intent.ByCard,
	})}
	switch req.Body.Want {
	case "code":
		sent, err := s.Auth.SendPayCode(ctx, caller.Customer, intent)
		if err != nil {
			return nil, err
		}
		needs.Code = &sent
	case "passkey":
		challenge, keys, err := s.Auth.ChallengeConfirm(ctx, caller.Customer, intent)
		if err != nil {
			return nil, err
		}
		needs.Passkey = s.passkeyAsk(challenge, keys)
	}
	return needs, nil
}

// today is what the payer paid already, for the acts that it counts in.
func (s *Services) today(ctx context.Context, customer id.Customer, intent auth.Intent) (limit.Today, error) {
	if intent.Act == auth.ActTopUp || intent.Act == auth.ActWithdrawal {
		return limit.Today{}, nil
	}
	return s.PaymentLimits.Today(ctx, customer, intent.Amount.Currency)
}

// intent reads what is to be confirmed, as the act itself will.
func (s *Services) intent(ctx context.Context, b createConfirmationBody) (auth.Intent, error) {
	customer := CallerOf(ctx).Customer
	if b.QRCode != "" {
		intent, err := s.Codes.Intent(ctx, b.QRCode, money.Amount{Minor: b.Minor, Currency: b.Currency})
		intent.ByCard = b.Card != ""
		return intent, err
	}
	if b.Act == auth.ActPayment {
		intent, err := s.Payments.IntentOf(ctx, customer, b.Payment)
		intent.ByCard = b.Card != ""
		return intent, err
	}
	amount := money.Amount{Minor: b.Minor, Currency: b.Currency}
	if err := payment.CheckAmount(amount, s.Currencies); err != nil {
		return auth.Intent{}, err
	}
	intent := auth.Intent{Act: b.Act, Amount: amount}
	if b.Act == auth.ActTransfer {
		payee, err := s.payee(ctx, b.Payee)
		if err != nil {
			return auth.Intent{}, paramOf(err, "payee")
		}
		intent.Payee, intent.PayeeName = string(payee.ID), party.MaskName(payee.Name)
		return intent, nil
	}
	account, err := s.BankAccounts.Find(ctx, customer, attempt.Named{
		BankAccount: b.BankAccount, Card: b.Card, OrDefault: b.Act == auth.ActTopUp,
	})
	if err != nil {
		return auth.Intent{}, err
	}
	intent.Payee, intent.PayeeName = account.Payee(), account.Masked
	return intent, nil
}
