package auth

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	tokenPrefix = "st_"
	tokenLength = len(tokenPrefix) + 52
	walletFor   = 30 * 24 * time.Hour
	staffFor    = 12 * time.Hour
	handleTries = 5
	noticeFor   = 24 * time.Hour
)

// Session is somebody signed in. Role is for staff, DeviceID for customers. Frozen customers may look
// and not act.
type Session struct {
	ID        id.Session `json:"id"`
	Kind      Kind       `json:"kind"`
	SubjectID string     `json:"subject_id"`
	DeviceID  id.Device  `json:"device_id,omitempty"`
	Role      party.Role `json:"role,omitempty"`
	// Merchant, and Store where the person is of one store only, are for merchants' users.
	Merchant  id.Merchant `json:"merchant_id,omitempty"`
	Store     id.Store    `json:"store_id,omitempty"`
	Frozen    bool        `json:"frozen,omitempty"`
	ExpiresAt time.Time   `json:"expires_at"`
	// DeviceSince is since when the device is the customer's, and DeviceProves that it promised to prove itself.
	DeviceSince  time.Time `json:"device_since,omitzero"`
	DeviceProves bool      `json:"device_proves,omitempty"`
	// IdleUntil is when the session locks if it rests; zero where the device has no gesture lock.
	IdleUntil time.Time `json:"idle_until,omitzero"`
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
	IdleUntil time.Time
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

// Admit refuses a session that is locked by its gesture; all routes but those that unlock or end it ask. Errors:
// auth.session_locked (Forbidden).
func (a *Auth) Admit(ctx context.Context, session Session) error { return a.idle(ctx, session) }

// ForgetSessions makes this node read all sessions anew: after something that ends them was changed here.
func (a *Auth) ForgetSessions() { a.sessions.ForgetAll() }

func sessionInvalid() error {
	return fault.New(fault.Unauthenticated, "auth.session_invalid", "this session has ended").
		WithHint("sign in again")
}

// draft holds what a new session draws at random, before its decision.
type draft struct {
	session sessionRow
	device  Device // used unless the request names a device that may be used
	asked   DeviceRequest
	notice  *message.Draft
}

// entry is who wants a session, and what proves it.
type entry struct {
	subject subject
	asked   DeviceRequest
	phone   string
	// proof is the password; nil where the caller vouches for the subject, or a passkey does.
	proof   *try
	passkey passkeyTry
	// second is the second factor: of a customer's new device, of staff and merchants' users.
	second second
}

// second is what somebody brings beside the password.
type second struct {
	code   codeTry
	totp   string
	device DeviceProof
}

// openSession decides whether a subject may sign in, and opens the session.
func (a *Auth) openSession(ctx context.Context, e entry) (SignedIn, error) {
	for tried := 1; ; tried++ {
		signedIn, err := a.openOnce(ctx, e)
		if fault.CodeOf(err) == "auth.handle_taken" && tried < handleTries {
			continue // draw another handle
		}
		return signedIn, err
	}
}

func (a *Auth) openOnce(ctx context.Context, e entry) (SignedIn, error) {
	now, s := a.clock.Now(), e.subject
	token := vault.Token(tokenPrefix)
	d := draft{asked: e.asked, session: sessionRow{
		ID: id.New[id.Session](now), TokenHash: vault.HashToken(token), Subject: s,
	}}
	keys := append([]commit.Key{a.subjectKey(s), a.totpKey(s)}, a.codeKeys(e.second.code)...)
	if e.passkey.challenge != "" {
		keys = append(keys, a.passkeyKeys(e.passkey)...)
	}
	if s.kind == KindCustomer {
		d.device = newDevice(id.Customer(s.id), e.asked, now)
		var err error
		if d.notice, err = a.newDeviceNotice(e, d.device); err != nil {
			return SignedIn{}, err
		}
		keys = append(keys, a.DeviceTable.Key(string(e.asked.ID)), a.DeviceTable.KeyBy("handle", d.device.Handle),
			a.gestureTable.Key(string(e.asked.ID)))
		if d.notice != nil {
			keys = append(keys, a.messages.Keys(*d.notice)...)
		}
	}
	app, err := a.appTry(ctx, s, e.second.totp)
	if err != nil {
		return SignedIn{}, err
	}
	recovery, macs := a.drawRecovery(s)
	var row sessionRow
	var device Device
	confirmed := false
	err = a.committer.Do(ctx, keys, func(tx *commit.Tx) error {
		h, err := a.holder(tx, s)
		if err != nil {
			return err
		}
		if err = h.admits(); e.proof != nil {
			err = h.judge(*e.proof, tx.Now())
		}
		if err == nil {
			confirmed, err = a.requireSecond(tx, e, h.wantsApp, doorTry{app: app, recovery: macs})
		}
		if err == nil && e.passkey.challenge != "" {
			err = a.requirePasskey(tx, e.passkey)
		}
		if err != nil {
			return err
		}
		if row, device, err = a.putSession(tx, d); err != nil {
			return err
		}
		if confirmed {
			err = a.recordCredential(signedIn(ctx, s, row.ID, device.ID), tx, "totp.enrolled", s, nil, nil)
		}
		if err != nil {
			return err
		}
		return a.recordSession(ctx, tx, row, device, device.ID == d.device.ID)
	})
	if err != nil {
		return SignedIn{}, fault.Wrap(err, "sign in "+s.id)
	}
	session, err := a.readSession(ctx, row.TokenHash)
	if err != nil {
		return SignedIn{}, err
	}
	if !confirmed {
		recovery = nil
	}
	return SignedIn{Token: token, Session: session, Device: device, RecoveryCodes: recovery}, nil
}

// requireSecond asks staff and merchants' users for their app, and customers on a device that does not prove itself
// for a code or their app. Errors: auth.code_required (Forbidden), those of requireCode, requireTOTP and
// requireDoorTOTP.
func (a *Auth) requireSecond(tx *commit.Tx, e entry, wantsApp bool, door doorTry) (confirmed bool, err error) {
	switch {
	case e.proof == nil: // vouched for, or a passkey, which is two factors
		return false, nil
	case e.subject.kind != KindCustomer:
		return a.requireDoorTOTP(tx, e.subject, wantsApp, door)
	case e.second.totp != "":
		return false, a.requireApp(tx, e.subject, door.app)
	case e.second.code.id != "":
		return false, a.requireCode(tx, e.second.code)
	}
	known, found, err := a.DeviceTable.Get(tx, a.DeviceTable.Key(string(e.asked.ID)))
	if err != nil {
		return false, err
	}
	ours := found && known.Customer == id.Customer(e.subject.id) && known.State == DeviceActive
	if ours && a.checkDevice(known.ID, "sign_in", e.phone, e.second.device) == nil {
		return false, nil
	}
	return false, fault.New(fault.Forbidden, "auth.code_required", "a new device needs a one-time code").
		WithParam("code").WithHint("ask POST /wallet/v1/codes for one with the purpose sign_in, and send it with its code_id")
}

// newDeviceNotice drafts the text that tells the owner of a new device; nil where nobody is to be told.
func (a *Auth) newDeviceNotice(e entry, device Device) (*message.Draft, error) {
	if a.messages == nil || a.messages.Sender == nil || e.proof == nil && e.passkey.challenge == "" {
		return nil, nil //nolint:nilnil // nobody is to be told
	}
	draft, err := a.messages.NewDraft(message.Wish{
		To: e.phone, Template: message.NoticeDevice, ValidFor: noticeFor, Values: message.Values{"device": device.Name},
	})
	return &draft, err
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
		// A device keeps its gesture lock over sign-ins.
		if _, locks, err := a.gestureTable.Get(tx, a.gestureTable.Key(string(d.asked.ID))); err != nil {
			return sessionRow{}, Device{}, err
		} else if locks && device.ID == d.asked.ID {
			row.IdleUntil = tx.Now().Add(idleMax)
		}
	}
	row.CreatedAt, row.ExpiresAt = tx.Now(), tx.Now().Add(lasts)
	a.sessionTable.Put(tx, row)
	return row, device, nil
}

// EndStaffSessions ends all sessions of a person of the staff, in a decision that declared the person's row.
func (a *Auth) EndStaffSessions(tx *commit.Tx, staff id.Staff) error {
	h, err := a.holder(tx, staffSubject(staff))
	if err != nil {
		return err
	}
	h.endSessions(tx.Now(), "")
	tx.After(a.ForgetSessions)
	return nil
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
			err := a.Trail.Add(ctx, tx, audit.Act{Kind: "session.closed", Subject: row.Subject.id})
			if err != nil {
				return err
			}
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
