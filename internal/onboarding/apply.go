package onboarding

import (
	"context"
	"encoding/json"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

// Apply stores a new application as a draft. The token opens it, and is shown this once. Errors: those of Details.
func (o *Onboarding) Apply(ctx context.Context, d Details) (Application, string, error) {
	d, err := d.check()
	if err != nil {
		return Application{}, "", err
	}
	now, token := o.Clock.Now(), vault.Token(tokenPrefix)
	a := Application{
		ID: id.New[id.Application](now), State: Draft, Documents: []Document{}, tokenHash: vault.HashToken(token),
	}
	if err := o.fill(&a, d); err != nil {
		return Application{}, "", err
	}
	err = o.Committer.Do(ctx, nil, func(tx *commit.Tx) error {
		a.CreatedAt, a.UpdatedAt = tx.Now(), tx.Now()
		o.applications.Put(tx, a)
		return o.record(ctx, tx, "application.created", &a)
	})
	if err != nil {
		return Application{}, "", fault.Wrap(err, "apply")
	}
	return a, token, nil
}

// fill takes checked details into an application, the personal ones sealed.
func (o *Onboarding) fill(a *Application, d Details) error {
	plain, err := json.Marshal(d.Private)
	if err != nil {
		return fault.Wrap(err, "write the details")
	}
	sealed, err := o.Vault.Seal(purposePrivate, privatePlace(a.ID), plain)
	if err != nil {
		return fault.Wrap(err, "seal the details")
	}
	a.Company, a.USCC, a.Category, a.Email, a.private = d.Company, party.USCC(d.USCC), d.Category, d.Email, sealed
	a.USCCValid = a.USCC.CheckDigitOK()
	return nil
}

// Private opens the personal part of an application.
func (o *Onboarding) Private(a Application) (Private, error) { return o.OpenPrivate(a.ID, a.private) }

// OpenPrivate decrypts what merchant_applications.private holds of an application. Errors: those of vault.Open.
func (o *Onboarding) OpenPrivate(name id.Application, sealed []byte) (Private, error) {
	var p Private
	plain, err := o.Vault.Open(purposePrivate, privatePlace(name), sealed)
	if err != nil {
		return p, fault.Wrap(err, "open "+string(name))
	}
	return p, fault.Wrap(json.Unmarshal(plain, &p), "read "+string(name))
}

// Reveal opens an application for a reviewer; that it was seen is recorded. Errors: onboarding.not_found.
func (o *Onboarding) Reveal(ctx context.Context, name id.Application) (Application, Private, error) {
	a, err := o.Application(ctx, name)
	if err != nil {
		return Application{}, Private{}, err
	}
	private, err := o.Private(a)
	if err != nil {
		return Application{}, Private{}, err
	}
	return a, private, o.recordSeen(ctx, name, purposePrivate)
}

// Edit replaces the details while the applicant has the application. Errors: those of Details,
// onboarding.not_editable.
func (o *Onboarding) Edit(ctx context.Context, name id.Application, d Details) (Application, error) {
	d, err := d.check()
	if err != nil {
		return Application{}, err
	}
	filled := Application{ID: name}
	if err := o.fill(&filled, d); err != nil {
		return Application{}, err
	}
	a, err := o.change(ctx, name, nil, func(_ *commit.Tx, a *Application) error {
		if err := a.State.editable(); err != nil {
			return err
		}
		a.Company, a.USCC, a.USCCValid, a.Category, a.Email, a.private = filled.Company, filled.USCC, filled.USCCValid,
			filled.Category, filled.Email, filled.private
		return nil
	})
	return a, fault.Wrap(err, "edit "+string(name))
}

// Submit hands an application to the reviewers. Errors: onboarding.document_missing, onboarding.state_conflict.
func (o *Onboarding) Submit(ctx context.Context, name id.Application) (Application, error) {
	a, err := o.change(ctx, name, nil, func(tx *commit.Tx, a *Application) error {
		state, err := a.State.Move(Submitted)
		if err != nil {
			return err
		}
		for _, kind := range Required() {
			if !a.has(kind) {
				return fault.Newf(fault.Conflict, "onboarding.document_missing", "a document is missing: %s", kind).
					WithHint("upload it and submit again")
			}
		}
		a.State, a.Reason = state, ""
		return o.announce(tx, a)
	})
	return a, fault.Wrap(err, "submit "+string(name))
}

// Authenticate returns the application that a token opens. Errors: onboarding.token_invalid (Unauthenticated).
func (o *Onboarding) Authenticate(ctx context.Context, token string) (id.Application, error) {
	a, err := o.readApplication(ctx, applicationByToken, vault.HashToken(token))
	if fault.KindOf(err) == fault.NotFound || err == nil && o.Clock.Now().Sub(a.UpdatedAt) > TokenFor {
		return "", fault.New(fault.Unauthenticated, "onboarding.token_invalid", "this token opens no application").
			WithHint("send Authorization: Bearer apl_… as it was shown when you applied")
	}
	return a.ID, err
}

// SetOwnerPassword gives the first user of an approved application a password, once: who has applied becomes the
// owner, and nobody of the staff learns a secret. Errors: onboarding.not_approved and those of auth.SetFirstPassword.
func (o *Onboarding) SetOwnerPassword(ctx context.Context, name id.Application, password string) error {
	a, err := o.Application(ctx, name)
	if err != nil {
		return err
	}
	if a.State != Approved {
		return fault.New(fault.Conflict, "onboarding.not_approved", "this application is not approved")
	}
	return o.Auth.SetFirstPassword(ctx, a.Owner, password)
}
