package auth

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	tokenPrefix  = "st_"
	tokenLength  = len(tokenPrefix) + 52
	walletFor    = 30 * 24 * time.Hour
	staffFor     = 12 * time.Hour
	handleTries  = 5
	revokedAtMax = 1000 // sessions ended by one change of a password
)

// Session is somebody signed in. Role is for staff, DeviceID for customers. Frozen customers may look
// and not act.
type Session struct {
	ID        id.Session `json:"id"`
	Kind      Kind       `json:"kind"`
	SubjectID string     `json:"subject_id"`
	DeviceID  id.Device  `json:"device_id,omitempty"`
	Role      party.Role `json:"role,omitempty"`
	Frozen    bool       `json:"frozen,omitempty"`
	ExpiresAt time.Time  `json:"expires_at"`
}

// Customer returns the customer who is signed in, "" for staff.
func (s Session) Customer() id.Customer {
	if s.Kind != KindCustomer {
		return ""
	}
	return id.Customer(s.SubjectID)
}

// Staff returns the person of the staff who is signed in, "" for a customer.
func (s Session) Staff() id.Staff {
	if s.Kind != KindStaff {
		return ""
	}
	return id.Staff(s.SubjectID)
}

func (s Session) subject() subject { return subject{kind: s.Kind, id: s.SubjectID} }

// sessionRow is a session as it is stored.
type sessionRow struct {
	ID        id.Session
	TokenHash string
	Subject   subject
	Device    id.Device
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
}

// Authenticate returns the session of a token. What it knows is at most two seconds old. Errors:
// auth.session_invalid (Unauthenticated).
func (a *Auth) Authenticate(ctx context.Context, token string) (Session, error) {
	if len(token) != tokenLength || !strings.HasPrefix(token, tokenPrefix) {
		return Session{}, sessionInvalid()
	}
	hash := vault.HashToken(token)
	session, err := a.sessions.Get(hash, func() (Session, error) { return a.readSession(ctx, hash) })
	if err != nil {
		return Session{}, err
	}
	if !a.clock.Now().Before(session.ExpiresAt) {
		return Session{}, sessionInvalid()
	}
	return session, nil
}

func sessionInvalid() error {
	return fault.New(fault.Unauthenticated, "auth.session_invalid", "this session has ended").
		WithHint("sign in again")
}

// draft holds what a new session draws at random, before its decision.
type draft struct {
	session sessionRow
	device  Device // used unless the request names a device that may be used
	asked   DeviceRequest
}

// openSession decides whether a subject may sign in, and opens the session. Without a proof the
// caller vouches for the subject.
func (a *Auth) openSession(ctx context.Context, s subject, asked DeviceRequest, proof *try) (SignedIn, error) {
	for tried := 1; ; tried++ {
		signedIn, err := a.openOnce(ctx, s, asked, proof)
		if fault.CodeOf(err) == "auth.handle_taken" && tried < handleTries {
			continue // draw another handle
		}
		return signedIn, err
	}
}

func (a *Auth) openOnce(ctx context.Context, s subject, asked DeviceRequest, proof *try) (SignedIn, error) {
	now := a.clock.Now()
	token := vault.Token(tokenPrefix)
	d := draft{asked: asked, session: sessionRow{
		ID: id.New[id.Session](now), TokenHash: vault.HashToken(token), Subject: s,
	}}
	keys := []commit.Key{a.subjectKey(s)}
	if s.kind == KindCustomer {
		d.device = newDevice(id.Customer(s.id), asked.Name, now)
		keys = append(keys, a.DeviceTable.Key(string(asked.ID)), a.DeviceTable.KeyBy("handle", d.device.Handle))
	}
	var row sessionRow
	var device Device
	err := a.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		h, err := a.holder(tx, s)
		if err != nil {
			return err
		}
		if err = h.admits(); proof != nil {
			err = h.judge(*proof, tx.Now())
		}
		if err != nil {
			return err
		}
		row, device, err = a.putSession(tx, d)
		return err
	})
	if err != nil {
		return SignedIn{}, fault.Wrap(err, "sign in "+s.id)
	}
	session, err := a.readSession(ctx, row.TokenHash)
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Token: token, Session: session, Device: device}, nil
}

// putSession stores the session, and the device of a customer.
func (a *Auth) putSession(tx *commit.Tx, d draft) (sessionRow, Device, error) {
	row, lasts := d.session, staffFor
	var device Device
	if row.Subject.kind == KindCustomer {
		var err error
		if device, err = a.putDevice(tx, d); err != nil {
			return sessionRow{}, Device{}, err
		}
		row.Device, lasts = device.ID, walletFor
	}
	row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now().Add(lasts)
	a.sessionTable.Put(tx, row)
	return row, device, nil
}

// SignOut ends a session at once on this node and within two seconds on others. The customer's device
// can make no payment codes any more; the next sign-in gets another one. To end an ended session is
// no error. Errors: auth.session_invalid (no such session).
func (a *Auth) SignOut(ctx context.Context, session Session) error {
	key, deviceKey := a.sessionTable.Key(string(session.ID)), a.DeviceTable.Key(string(session.DeviceID))
	err := a.committer.Do(ctx, []commit.Key{key, deviceKey}, func(tx *commit.Tx) error {
		row, found, err := a.sessionTable.Get(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return sessionInvalid()
		}
		if row.RevokedAt.IsZero() {
			row.RevokedAt = tx.Now()
			a.sessionTable.Put(tx, row)
		}
		device, found, err := a.DeviceTable.Get(tx, deviceKey)
		if err == nil && found && row.Device == device.ID && device.State == DeviceActive {
			device.State = DeviceRevoked
			a.DeviceTable.Put(tx, device)
		}
		return err
	})
	a.sessions.ForgetAll() // the device may have several
	return fault.Wrap(err, "sign out "+string(session.ID))
}

// revokeOthers ends the sessions of a subject that began until an instant, but for one.
func (a *Auth) revokeOthers(ctx context.Context, keep Session, until time.Time) error {
	names, err := a.readSessions(ctx, keep.subject(), until)
	if err != nil {
		return err
	}
	var keys []commit.Key
	for _, name := range names {
		if name != keep.ID {
			keys = append(keys, a.sessionTable.Key(string(name)))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	err = a.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		for _, key := range keys {
			row, found, err := a.sessionTable.Get(tx, key)
			if err != nil {
				return err
			}
			if found && row.RevokedAt.IsZero() {
				row.RevokedAt = tx.Now()
				a.sessionTable.Put(tx, row)
			}
		}
		return nil
	})
	a.sessions.ForgetAll()
	return fault.Wrap(err, "end other sessions of "+keep.SubjectID)
}
