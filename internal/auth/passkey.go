package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// RelyingParty says to which site passkeys belong. ID is the host, Origins the pages and apps that may use them. No
// origins turn passkeys off.
type RelyingParty struct {
	ID      string
	Origins []string
}

// PasskeyState says whether a passkey may be used.
type PasskeyState string

// The states of passkeys.
const (
	// PasskeyActive can sign in and confirm.
	PasskeyActive PasskeyState = "active"
	// PasskeyRemoved was taken away by its owner; final.
	PasskeyRemoved PasskeyState = "removed"
	// PasskeyCloned counted backwards: somebody may have a copy; final.
	PasskeyCloned PasskeyState = "cloned"
)

// Passkey is a customer's WebAuthn credential. Synced says that its platform may copy it to the owner's other
// devices.
type Passkey struct {
	ID         id.Passkey   `json:"id"`
	Customer   id.Customer  `json:"-"`
	Credential string       `json:"credential_id" doc:"Base64url, as the browser knows it."`
	PublicKey  []byte       `json:"-"`
	SignCount  int64        `json:"-"`
	Name       string       `json:"name"`
	Synced     bool         `json:"synced"`
	State      PasskeyState `json:"state" enum:"active,removed,cloned"`
	UsedAt     time.Time    `json:"used_at,omitzero"`
	CreatedAt  time.Time    `json:"created_at"`
}

// challengeRow is a question that a passkey answers once. For a confirmation what the passkey signs is not the nonce
// but a hash of it and of the intent; see signedChallenge.
type challengeRow struct {
	ID        id.Challenge
	Purpose   challengePurpose
	Customer  id.Customer
	Device    id.Device
	Nonce     string
	UsedAt    time.Time
	ExpiresAt time.Time
	CreatedAt time.Time
}

type challengePurpose string

const (
	challengeRegister challengePurpose = "register"
	challengeSignIn   challengePurpose = "sign_in"
	challengeConfirm  challengePurpose = "confirm"

	challengeFor   = 2 * time.Minute
	challengeBytes = 32
	passkeysMax    = 20
)

// PasskeyAnswer is what a passkey says to a challenge: the browser's PublicKeyCredential as JSON.
type PasskeyAnswer struct {
	Challenge  id.Challenge
	Credential []byte
}

// PasskeyChallenge is a question for a passkey. Challenge is what goes into the browser's options.
type PasskeyChallenge struct {
	ID        id.Challenge
	Challenge string // base64url
	ExpiresAt time.Time
	// Text is what a confirmation is about, as it was hashed; Nonce went into the hash before it.
	Text, Nonce string
}

// signedChallenge is what a passkey signs: of a confirmation SHA-256 over the nonce, a line break and the
// intent's text, so that the signature holds for one payee and one amount.
func signedChallenge(nonce string, intent Intent) string {
	if intent.Act == "" {
		return nonce
	}
	sum := sha256.Sum256([]byte(nonce + "\n" + intent.Text()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (a *Auth) passkeysOn() error {
	if len(a.party.Origins) == 0 {
		return fault.New(fault.Unavailable, "auth.passkeys_off", "this instance has no site for passkeys").
			WithHint("the operator names it in web_origins")
	}
	return nil
}

// newChallenge stores a question. It is written in a commit of its own: the answer may come to another node.
func (a *Auth) newChallenge(
	ctx context.Context, purpose challengePurpose, customer id.Customer, intent Intent,
) (PasskeyChallenge, error) {
	if err := a.passkeysOn(); err != nil {
		return PasskeyChallenge{}, err
	}
	var raw [challengeBytes]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead (crypto/rand)
	row := challengeRow{
		ID: id.New[id.Challenge](a.clock.Now()), Purpose: purpose, Customer: customer,
		Nonce: base64.RawURLEncoding.EncodeToString(raw[:]),
	}
	err := a.committer.Do(ctx, nil, func(tx *commit.Tx) error {
		row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now().Add(challengeFor)
		a.challengeTable.Put(tx, row)
		return nil
	})
	if err != nil {
		return PasskeyChallenge{}, fault.Wrap(err, "make a challenge")
	}
	c := PasskeyChallenge{
		ID: row.ID, Challenge: signedChallenge(row.Nonce, intent), ExpiresAt: row.ExpiresAt, Nonce: row.Nonce,
	}
	if intent.Act != "" {
		c.Text = intent.Text()
	}
	return c, nil
}

// ChallengeConfirm makes the question whose answer confirms an intent. Errors: auth.passkeys_off,
// auth.passkey_not_set (Conflict: the customer has none).
func (a *Auth) ChallengeConfirm(
	ctx context.Context,
	customer id.Customer,
	intent Intent,
) (PasskeyChallenge, []Passkey, error) {
	keys, err := a.ListPasskeys(ctx, customer)
	if err != nil {
		return PasskeyChallenge{}, nil, err
	}
	if len(keys) == 0 {
		return PasskeyChallenge{}, nil, fault.New(fault.Conflict, "auth.passkey_not_set", "there is no passkey yet")
	}
	c, err := a.newChallenge(ctx, challengeConfirm, customer, intent)
	return c, keys, err
}

// ChallengeSignIn makes the question whose answer signs somebody in; nobody says yet who it is. Errors:
// auth.passkeys_off, auth.too_many_sign_ins.
func (a *Auth) ChallengeSignIn(ctx context.Context, address string) (PasskeyChallenge, error) {
	if ok, wait := a.byAddress.Allow(address); !ok && address != "" {
		return PasskeyChallenge{}, fault.New(fault.Limited, "auth.too_many_sign_ins", "too many sign-ins from here").
			WithRetryAfter(wait)
	}
	return a.newChallenge(ctx, challengeSignIn, "", Intent{})
}

// ChallengePasskey makes the question that a new passkey answers, for a customer who proved the login password and the
// payment PIN again: a passkey signs any amount, so who knows but the password must not make one. It returns the
// passkeys that are there already, so that the browser makes no second one. Errors: those of VerifyPassword and
// RequirePIN, auth.bad_pin, auth.cooling_off, auth.passkeys_off.
func (a *Auth) ChallengePasskey(
	ctx context.Context, customer id.Customer, password, digits string,
) (PasskeyChallenge, []Passkey, error) {
	if err := a.passkeysOn(); err != nil {
		return PasskeyChallenge{}, nil, err
	}
	mac, err := a.PINMAC(customer, digits)
	if err != nil {
		return PasskeyChallenge{}, nil, err
	}
	if err := a.VerifyPassword(ctx, customer, password); err != nil {
		return PasskeyChallenge{}, nil, err
	}
	if err := a.verifySettledPIN(ctx, customer, mac); err != nil {
		return PasskeyChallenge{}, nil, err
	}
	keys, err := a.ListPasskeys(ctx, customer)
	if err != nil {
		return PasskeyChallenge{}, nil, err
	}
	c, err := a.newChallenge(ctx, challengeRegister, customer, Intent{})
	return c, keys, err
}

// verifySettledPIN asks for a PIN that does not cool off: one that the password has just reset proves no more than it.
func (a *Auth) verifySettledPIN(ctx context.Context, customer id.Customer, mac string) error {
	key := a.PINKey(customer)
	err := a.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		if err := a.RequirePIN(tx, customer, mac); err != nil {
			return err
		}
		row, _, err := a.pinTable.Get(tx, key)
		if wait := row.CoolingUntil.Sub(tx.Now()); err == nil && wait > 0 {
			return fault.New(fault.Forbidden, "auth.cooling_off", "the payment PIN was reset within a day").
				WithHint("register the passkey when the wallet has cooled off").WithRetryAfter(wait)
		}
		return err
	})
	return fault.Wrap(err, "verify the PIN of "+string(customer))
}

// RelyingParty returns the site that passkeys belong to.
func (a *Auth) RelyingParty() RelyingParty { return a.party }

// AddPasskey stores a new passkey: the answer to ChallengePasskey. Attestation is not asked for; who made the
// authenticator is not known. Errors: auth.passkey_bad_answer (Invalid), auth.passkey_refused (Forbidden),
// auth.passkey_taken, auth.too_many_passkeys (Conflict), party.bad_name.
func (a *Auth) AddPasskey(
	ctx context.Context,
	customer id.Customer,
	name string,
	answer PasskeyAnswer,
) (Passkey, error) {
	if err := a.passkeysOn(); err != nil {
		return Passkey{}, err
	}
	name, err := party.ParseName(name)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer.Credential)
	if err != nil {
		return Passkey{}, badAnswer()
	}
	challenge, err := a.readChallenge(ctx, answer.Challenge)
	if err != nil {
		return Passkey{}, err
	}
	if challenge.Purpose != challengeRegister || challenge.Customer != customer {
		return Passkey{}, passkeyRefused(errors.New("the challenge is another one"))
	}
	var noMetadata metadata.Provider
	_, err = parsed.Verify(challenge.Nonce, a.party.ID, a.party.Origins, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, true, true, noMetadata, credentialParameters(),
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Passkey{}, passkeyRefused(err)
	}
	made := parsed.Response.AttestationObject.AuthData
	row := Passkey{
		ID: id.New[id.Passkey](a.clock.Now()), Customer: customer, Name: name, State: PasskeyActive,
		Credential: base64.RawURLEncoding.EncodeToString(made.AttData.CredentialID),
		PublicKey:  made.AttData.CredentialPublicKey,
		SignCount:  int64(made.Counter),
		Synced:     made.Flags.HasBackupEligible(),
	}
	known, err := a.ListPasskeys(ctx, customer)
	if err != nil {
		return Passkey{}, err
	}
	if len(known) >= passkeysMax {
		return Passkey{}, fault.Newf(
			fault.Conflict,
			"auth.too_many_passkeys",
			"a wallet has at most %d passkeys",
			passkeysMax,
		)
	}
	key, asked := a.passkeyTable.KeyBy("credential_id", row.Credential), a.challengeTable.Key(string(answer.Challenge))
	err = a.committer.Do(ctx, []commit.Key{key, asked}, func(tx *commit.Tx) error {
		if err := a.useChallenge(tx, asked); err != nil {
			return err
		}
		if _, taken, err := a.passkeyTable.Get(tx, key); err != nil || taken {
			return orFault(err, fault.New(fault.Conflict, "auth.passkey_taken", "this passkey is registered already"))
		}
		row.CreatedAt = tx.Now()
		a.passkeyTable.Put(tx, row)
		if err := a.recordCredential(ctx, tx, "passkey.added", customerSubject(customer), nil, row); err != nil {
			return err
		}
		return a.announce(tx, "passkey.added", string(row.ID), row)
	})
	if err != nil {
		return Passkey{}, fault.Wrap(err, "add a passkey of "+string(customer))
	}
	return row, nil
}

func orFault(err error, f *fault.Fault) error {
	if err != nil {
		return err
	}
	return f
}

// useChallenge marks a challenge as used. Errors: auth.passkey_challenge_over (Forbidden).
func (a *Auth) useChallenge(tx *commit.Tx, key commit.Key) error {
	row, found, err := a.challengeTable.Get(tx, key)
	if err != nil {
		return err
	}
	if !found || !row.UsedAt.IsZero() || !tx.Now().Before(row.ExpiresAt) {
		return challengeOver()
	}
	row.UsedAt = tx.Now()
	a.challengeTable.Put(tx, row)
	return nil
}

func challengeOver() *fault.Fault {
	return fault.New(fault.Forbidden, "auth.passkey_challenge_over", "this challenge was answered, or is over").
		WithParam("passkey").WithHint("ask for a fresh one")
}

func badAnswer() *fault.Fault {
	return fault.New(fault.Invalid, "auth.passkey_bad_answer", "this is no answer of a passkey").WithParam("passkey")
}

// passkeyRefused says no more than that: which check failed goes to the log.
func passkeyRefused(cause error) *fault.Fault {
	return fault.New(fault.Forbidden, "auth.passkey_refused", "the passkey's answer does not hold for this").
		WithParam("passkey").WithCause(cause)
}

// credentialParameters lists the algorithms that a passkey may have, best first.
func credentialParameters() []protocol.CredentialParameter {
	var all []protocol.CredentialParameter
	for _, algorithm := range PasskeyAlgorithms() {
		all = append(all, protocol.CredentialParameter{
			Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(algorithm),
		})
	}
	return all
}

// PasskeyAlgorithms are the COSE numbers of the signatures that are taken: ES256, Ed25519, RS256.
func PasskeyAlgorithms() []int64 {
	return []int64{int64(webauthncose.AlgES256), int64(webauthncose.AlgEdDSA), int64(webauthncose.AlgRS256)}
}

// passkeyTry is an answer whose signature was right, ready for a decision.
type passkeyTry struct {
	challenge id.Challenge
	passkey   id.Passkey
	customer  id.Customer
	counter   int64
}

// passkeyTry checks an answer to a challenge of a customer and an intent. What does not hold is a refusal, to be told
// in the decision. Errors: auth.passkey_bad_answer, a database that is away.
func (a *Auth) passkeyTry(
	ctx context.Context, customer id.Customer, intent Intent, answer PasskeyAnswer,
) (try passkeyTry, refusal, err error) {
	if err := a.passkeysOn(); err != nil {
		return try, nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer.Credential)
	if err != nil {
		return try, nil, badAnswer()
	}
	challenge, err := a.readChallenge(ctx, answer.Challenge)
	if fault.KindOf(err) == fault.Forbidden {
		return try, err, nil
	}
	if err != nil {
		return try, nil, err
	}
	purpose := challengeConfirm
	if intent.Act == "" {
		purpose = challengeSignIn
	}
	if challenge.Purpose != purpose || challenge.Customer != customer {
		return try, passkeyRefused(errors.New("the challenge is another one")), nil
	}
	known, err := a.readPasskey(ctx, base64.RawURLEncoding.EncodeToString(parsed.RawID))
	if fault.KindOf(err) == fault.NotFound || err == nil && customer != "" && known.Customer != customer {
		return try, passkeyRefused(errors.New("the passkey is not this customer's")), nil
	}
	if err != nil {
		return try, nil, err
	}
	err = parsed.Verify(signedChallenge(challenge.Nonce, intent), a.party.ID, "", a.party.Origins, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, true, true, known.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return try, passkeyRefused(err), nil
	}
	if handle := string(parsed.Response.UserHandle); handle != "" && handle != string(known.Customer) {
		return try, passkeyRefused(errors.New("the user handle is another one")), nil
	}
	counter := int64(parsed.Response.AuthenticatorData.Counter)
	return passkeyTry{challenge: answer.Challenge, passkey: known.ID, customer: known.Customer, counter: counter}, nil, nil
}

func (a *Auth) passkeyKeys(t passkeyTry) []commit.Key {
	return []commit.Key{a.challengeTable.Key(string(t.challenge)), a.passkeyTable.Key(string(t.passkey))}
}

// requirePasskey uses a challenge up and moves the passkey's counter on, in a decision that declared passkeyKeys. A
// counter that does not rise means a copy: the passkey is barred although the decision refuses (WebAuthn §6.1.1).
//
// Errors: auth.passkey_challenge_over, auth.passkey_refused, auth.passkey_cloned (all Forbidden).
func (a *Auth) requirePasskey(tx *commit.Tx, t passkeyTry) error {
	row, found, err := a.passkeyTable.Get(tx, a.passkeyTable.Key(string(t.passkey)))
	if err != nil {
		return err
	}
	if !found || row.State != PasskeyActive {
		return passkeyRefused(errors.New("the passkey was removed"))
	}
	if err := a.useChallenge(tx, a.challengeTable.Key(string(t.challenge))); err != nil {
		return err
	}
	if (t.counter > 0 || row.SignCount > 0) && t.counter <= row.SignCount {
		row.State = PasskeyCloned
		a.passkeyTable.Put(tx, row)
		return commit.Keep(
			fault.New(fault.Forbidden, "auth.passkey_cloned", "this passkey counts backwards, so there may be "+
				"a copy; it is barred").WithParam("passkey").WithHint("remove it and register a new one"),
		)
	}
	row.SignCount, row.UsedAt = t.counter, tx.Now()
	a.passkeyTable.Put(tx, row)
	return nil
}

// ListPasskeys returns a customer's passkeys that may be used or were barred, newest first.
func (a *Auth) ListPasskeys(ctx context.Context, customer id.Customer) ([]Passkey, error) {
	return a.readPasskeys(ctx, passkeysOf, string(customer))
}

// RenamePasskey gives a passkey another name. Errors: auth.passkey_not_found, party.bad_name.
func (a *Auth) RenamePasskey(ctx context.Context, customer id.Customer, name id.Passkey, to string) error {
	to, err := party.ParseName(to)
	if err != nil {
		return err
	}
	return a.changePasskey(ctx, customer, name, "passkey.renamed", func(row *Passkey) { row.Name = to })
}

// RemovePasskey takes a passkey away for good. Errors: auth.passkey_not_found.
func (a *Auth) RemovePasskey(ctx context.Context, customer id.Customer, name id.Passkey) error {
	return a.changePasskey(ctx, customer, name, "passkey.removed", func(row *Passkey) { row.State = PasskeyRemoved })
}

func (a *Auth) changePasskey(
	ctx context.Context, customer id.Customer, name id.Passkey, kind string, change func(*Passkey),
) error {
	key := a.passkeyTable.Key(string(name))
	err := a.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := a.passkeyTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found || row.Customer != customer || row.State == PasskeyRemoved {
			return passkeyNotFound()
		}
		before := row
		change(&row)
		a.passkeyTable.Put(tx, row)
		return a.recordCredential(ctx, tx, kind, customerSubject(customer), before, row)
	})
	return fault.Wrap(err, "change "+string(name))
}

func passkeyNotFound() *fault.Fault {
	return fault.New(fault.NotFound, "auth.passkey_not_found", "there is no such passkey")
}
