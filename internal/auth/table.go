package auth

import (
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/outbox"
)

// addFactorTables registers the tables of codes, passkeys, TOTP and gestures, behind those of sessions.
func (a *Auth) addFactorTables(c *commit.Committer) {
	a.codeTable = commit.AddTable(c, "one_time_codes",
		commit.Text("id", func(r *codeRow) *string { return &r.ID }),
		commit.Text("purpose", func(r *codeRow) *string { return (*string)(&r.Purpose) }),
		commit.Text("phone", func(r *codeRow) *string { return &r.Phone }),
		commit.Text("subject", func(r *codeRow) *string { return &r.Subject }),
		commit.Text("mac", func(r *codeRow) *string { return &r.MAC }),
		commit.Int("tries", func(r *codeRow) *int64 { return &r.Tries }).Mutable(),
		commit.Instant("used_at", func(r *codeRow) *time.Time { return &r.UsedAt }).Mutable(),
		commit.Instant("expires_at", func(r *codeRow) *time.Time { return &r.ExpiresAt }),
		commit.Instant("created_at", func(r *codeRow) *time.Time { return &r.CreatedAt }),
	)
	a.sendTable = commit.AddTable(c, "code_sends",
		commit.Text("id", func(r *sendRow) *string { return &r.ID }),
		commit.Text("code_id", func(r *sendRow) *string { return &r.CodeID }).Mutable(),
		commit.Instant("next_at", func(r *sendRow) *time.Time { return &r.NextAt }).Mutable(),
	)
	a.challengeTable = commit.AddTable(c, "challenges",
		commit.Text("id", func(r *challengeRow) *string { return (*string)(&r.ID) }),
		commit.Text("purpose", func(r *challengeRow) *string { return (*string)(&r.Purpose) }),
		commit.Text("customer_id", func(r *challengeRow) *string { return (*string)(&r.Customer) }),
		commit.Text("device_id", func(r *challengeRow) *string { return (*string)(&r.Device) }),
		commit.Text("nonce", func(r *challengeRow) *string { return &r.Nonce }),
		commit.Instant("used_at", func(r *challengeRow) *time.Time { return &r.UsedAt }).Mutable(),
		commit.Instant("expires_at", func(r *challengeRow) *time.Time { return &r.ExpiresAt }),
		commit.Instant("created_at", func(r *challengeRow) *time.Time { return &r.CreatedAt }),
	)
	a.passkeyTable = commit.AddTable(c, "passkeys",
		commit.Text("id", func(r *Passkey) *string { return (*string)(&r.ID) }),
		commit.Text("customer_id", func(r *Passkey) *string { return (*string)(&r.Customer) }),
		commit.Text("credential_id", func(r *Passkey) *string { return &r.Credential }).Unique(),
		commit.Bytes("public_key", func(r *Passkey) *[]byte { return &r.PublicKey }),
		commit.Int("sign_count", func(r *Passkey) *int64 { return &r.SignCount }).Mutable(),
		commit.Text("name", func(r *Passkey) *string { return &r.Name }).Mutable(),
		commit.Bool("synced", func(r *Passkey) *bool { return &r.Synced }),
		commit.Text("state", func(r *Passkey) *string { return (*string)(&r.State) }).Mutable(),
		commit.Instant("used_at", func(r *Passkey) *time.Time { return &r.UsedAt }).Mutable(),
		commit.Instant("created_at", func(r *Passkey) *time.Time { return &r.CreatedAt }),
	)
	a.totpTable = commit.AddTable(c, "totp",
		commit.Text("id", func(r *totpRow) *string { return &r.ID }),
		commit.Bytes("sealed", func(r *totpRow) *[]byte { return &r.Sealed }).Mutable(),
		commit.Int("last_step", func(r *totpRow) *int64 { return &r.LastStep }).Mutable(),
		commit.Int("failures", func(r *totpRow) *int64 { return &r.Tries.failures }).Mutable(),
		commit.Instant("locked_until", func(r *totpRow) *time.Time { return &r.Tries.lockedUntil }).Mutable(),
		commit.Instant("confirmed_at", func(r *totpRow) *time.Time { return &r.ConfirmedAt }).Mutable(),
		commit.Text("recovery", func(r *totpRow) *string { return &r.Recovery }).Mutable(),
		commit.Instant("created_at", func(r *totpRow) *time.Time { return &r.CreatedAt }),
	)
	a.gestureTable = commit.AddTable(c, "gestures",
		commit.Text("id", func(r *gestureRow) *string { return (*string)(&r.Device) }),
		commit.Text("mac", func(r *gestureRow) *string { return &r.MAC }).Mutable(),
		commit.Int("failures", func(r *gestureRow) *int64 { return &r.Failures }).Mutable(),
		commit.Instant("updated_at", func(r *gestureRow) *time.Time { return &r.UpdatedAt }).Mutable(),
	)
}

// announce writes an event about a customer's credentials, where there is an outbox.
func (a *Auth) announce(tx *commit.Tx, kind, subject string, data any) error {
	if a.outbox == nil {
		return nil
	}
	return a.outbox.Add(tx, outbox.Event{Kind: kind, Subject: subject}, data)
}
