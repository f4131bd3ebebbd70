package auth

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
)

// Parameters of argon2id as in the OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
const (
	hashMemory   = 19 * 1024 // KiB
	hashPasses   = 2
	hashLanes    = 1
	hashSalt     = 16 // bytes
	hashKey      = 32 // bytes
	hashesAtOnce = 2  // 38 MiB at most

	passwordMin = 8   // characters, NIST SP 800-63B §5.1.1.2
	passwordMax = 128 // characters

	staffPasswordMin = 12 // characters: staff open more than one wallet
	staffDifferent   = 5  // characters that differ from each other

	// decoy is compared where there is no password to compare with; no password has this hash.
	decoy = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// HashPassword returns the argon2id hash of a password; it waits for a place where two are hashed
// already. Errors: auth.weak_password, auth.busy (ctx ended first).
func (a *Auth) HashPassword(ctx context.Context, password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	if err := a.enterHashing(ctx); err != nil {
		return "", err
	}
	defer a.leaveHashing()
	hash, err := argon2id.CreateHash(password, &argon2id.Params{
		Memory: hashMemory, Iterations: hashPasses, Parallelism: hashLanes, SaltLength: hashSalt, KeyLength: hashKey,
	})
	return hash, fault.Wrap(err, "hash password")
}

func checkPassword(password string) error {
	weak := func(message string) error {
		return fault.New(fault.Invalid, "auth.weak_password", message).WithParam("password")
	}
	length := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return weak("a password is text")
	case length < passwordMin || length > passwordMax:
		return fault.Newf(fault.Invalid, "auth.weak_password",
			"a password has %d to %d characters", passwordMin, passwordMax).WithParam("password")
	case strings.Count(password, password[:1]) == len(password):
		return weak("a password is not one character again and again")
	case common(password):
		return fault.From(weak("this password is among those that are guessed first")).
			WithHint("take words that do not belong together, or let a password manager draw one")
	}
	return nil
}

// checkStaffPassword is checkPassword with what staff need beyond it.
func checkStaffPassword(password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	different := map[rune]bool{}
	for _, r := range password {
		different[r] = true
	}
	if utf8.RuneCountInString(password) < staffPasswordMin || len(different) < staffDifferent {
		return fault.Newf(fault.Invalid, "auth.weak_password",
			"a password of the staff has at least %d characters, %d of them different", staffPasswordMin, staffDifferent).
			WithParam("password").WithHint("take four words that do not belong together, or let a password manager draw one")
	}
	return nil
}

// compare reports whether hash is that of password; an empty hash takes the same time and is not.
func (a *Auth) compare(ctx context.Context, password, hash string) (bool, error) {
	if err := a.enterHashing(ctx); err != nil {
		return false, err
	}
	defer a.leaveHashing()
	known := hash != ""
	if !known {
		hash = decoy
	}
	if utf8.RuneCountInString(password) > passwordMax {
		password, known = "", false
	}
	right, err := argon2id.ComparePasswordAndHash(password, hash)
	return right && known, fault.Wrap(err, "compare password")
}

func (a *Auth) enterHashing(ctx context.Context) error {
	select {
	case a.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "auth.busy", "too many sign-ins at once").
			WithRetryAfter(time.Second).WithCause(ctx.Err())
	}
}

func (a *Auth) leaveHashing() { <-a.hashing }

// holder is the locked row of a customer or a person of the staff, as far as a login needs it.
type holder struct {
	credential party.Credential
	barred     bool // may not sign in
	wantsApp   bool // signs in with an authenticator app
	put        func(party.Credential)
}

func (a *Auth) subjectKey(s subject) commit.Key {
	if s.kind == KindStaff {
		return a.parties.StaffTable.Key(s.id)
	}
	if s.kind == KindUser {
		return a.parties.UserTable.Key(s.id)
	}
	return a.parties.CustomerTable.Key(s.id)
}

// holder reads the row of a subject whose key was declared. Errors: auth.bad_credentials.
func (a *Auth) holder(tx *commit.Tx, s subject) (holder, error) {
	if s.kind == KindStaff {
		row, found, err := a.parties.StaffTable.Get(tx, a.subjectKey(s))
		if err != nil || !found {
			return holder{}, orBadCredentials(err)
		}
		barred := row.State != party.StateActive
		wants := wantsApp(KindStaff, "")
		return holder{credential: row.Credential, barred: barred, wantsApp: wants, put: func(c party.Credential) {
			row.Credential = c
			a.parties.StaffTable.Put(tx, row)
		}}, nil
	}
	if s.kind == KindUser {
		return a.userHolder(tx, s)
	}
	row, found, err := a.parties.CustomerTable.Get(tx, a.subjectKey(s))
	if err != nil || !found {
		return holder{}, orBadCredentials(err)
	}
	barred := row.State == party.StateClosed
	return holder{credential: row.Credential, barred: barred, put: func(c party.Credential) {
		row.Credential = c
		a.parties.CustomerTable.Put(tx, row)
	}}, nil
}

func orBadCredentials(err error) error {
	if err != nil {
		return err
	}
	return badCredentials()
}

// renew sets another password, which lifts a lock and ends all sessions but one.
func (h *holder) renew(hash string, now time.Time, keep id.Session) {
	c := party.Credential{PasswordHash: hash}
	c.EndSessions(now, keep)
	h.put(c)
}

// endSessions ends all sessions but one.
func (h *holder) endSessions(now time.Time, keep id.Session) {
	h.credential.EndSessions(now, keep)
	h.put(h.credential)
}

// try is one password as compared before the decision: against which hash, and with what result.
type try struct {
	hash  string
	right bool
}

// judge applies one try to the locked row: it counts a wrong one, also when the decision refuses for it
// (commit.Keep), and returns nil for a right one.
func (h *holder) judge(t try, now time.Time) error {
	counted := tries{failures: h.credential.Failures, lockedUntil: h.credential.LockedUntil}
	if wait := counted.wait(now); wait > 0 {
		return loginLocked(wait)
	}
	if h.credential.PasswordHash != t.hash { // changed since it was compared
		return badCredentials()
	}
	if t.right {
		if counted.failures > 0 {
			h.credential.Failures, h.credential.LockedUntil = 0, time.Time{}
			h.put(h.credential)
		}
		return commit.Keep(h.admits())
	}
	counted = counted.missed(now)
	h.credential.Failures, h.credential.LockedUntil = counted.failures, counted.lockedUntil
	h.put(h.credential)
	if wait := counted.wait(now); wait > 0 {
		return commit.Keep(loginLocked(wait))
	}
	return commit.Keep(badCredentials())
}

// admits refuses who may not sign in: customers who are closed, staff who are not active.
func (h *holder) admits() error {
	if h.barred {
		return fault.New(fault.Forbidden, "auth.closed", "this registration is closed")
	}
	return nil
}

// VerifyPassword checks the login password of a signed-in customer once more. Wrong ones count as at
// login. Errors: auth.bad_credentials, auth.login_locked, auth.closed, auth.busy.
func (a *Auth) VerifyPassword(ctx context.Context, customer id.Customer, password string) error {
	return a.verify(ctx, customerSubject(customer), password)
}

func (a *Auth) verify(ctx context.Context, s subject, password string) error {
	known, err := a.credential(ctx, s)
	if err != nil {
		return err
	}
	counted := tries{lockedUntil: known.LockedUntil}
	if wait := counted.wait(a.clock.Now()); wait > 0 {
		return loginLocked(wait)
	}
	right, err := a.compare(ctx, password, known.PasswordHash)
	if err != nil {
		return err
	}
	err = a.committer.Do(ctx, []commit.Key{a.subjectKey(s)}, func(tx *commit.Tx) error {
		h, err := a.holder(tx, s)
		if err != nil {
			return err
		}
		return h.judge(try{hash: known.PasswordHash, right: right}, tx.Now())
	})
	return fault.Wrap(err, "verify password of "+s.id)
}

// credential reads the stored credential of a subject.
func (a *Auth) credential(ctx context.Context, s subject) (party.Credential, error) {
	if s.kind == KindStaff {
		staff, err := a.parties.Staff(ctx, id.Staff(s.id))
		return staff.Credential, err
	}
	if s.kind == KindUser {
		user, err := a.parties.UserByID(ctx, id.MerchantUser(s.id))
		return user.Credential, err
	}
	customer, err := a.parties.Customer(ctx, id.Customer(s.id))
	return customer.Credential, err
}

// PasswordChange asks for a new login password of the session's customer or person of the staff.
type PasswordChange struct {
	Session Session
	Old     string
	New     string
}

// ChangePassword sets a new login password. All other sessions of the subject end. Errors: those of
// VerifyPassword, auth.weak_password.
func (a *Auth) ChangePassword(ctx context.Context, change PasswordChange) error {
	s := change.Session.subject()
	check := checkPassword
	if s.kind != KindCustomer {
		check = checkStaffPassword
	}
	if err := check(change.New); err != nil {
		return err
	}
	if err := a.verify(ctx, s, change.Old); err != nil {
		return err
	}
	hash, err := a.HashPassword(ctx, change.New)
	if err != nil {
		return err
	}
	err = a.committer.Do(ctx, []commit.Key{a.subjectKey(s)}, func(tx *commit.Tx) error {
		h, err := a.holder(tx, s)
		if err != nil {
			return err
		}
		// A sign-in with the old password compares hashes under this row's lock: each session that it made is older.
		h.renew(hash, tx.Now(), change.Session.ID)
		tx.After(a.ForgetSessions)
		return a.Trail.Add(ctx, tx, audit.Act{Kind: "password.changed", Subject: s.id})
	})
	return fault.Wrap(err, "change password of "+s.id)
}
