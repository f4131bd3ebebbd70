package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238: what authenticator apps speak; HMAC-SHA-1 is not broken
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

// TOTP of RFC 6238 with the parameters every authenticator app knows: HMAC-SHA-1, 30 seconds, six digits. One step
// before and one behind the present are taken, each step once.
const (
	totpPeriod      = 30 * time.Second
	totpSecret      = 20 // bytes, RFC 4226 §4
	totpSkew        = 1
	totpPurpose     = "auth.totp"
	recoveryCodes   = 8
	recoveryLength  = 16 // characters of base 32: 80 bits
	recoveryPurpose = "recovery"
)

// totpRow is the TOTP secret of a customer or a person of the staff. It counts once ConfirmedAt is set. Recovery are
// the MACs of the recovery codes that were not used yet, with blanks between.
type totpRow struct {
	ID          string
	Sealed      []byte
	LastStep    int64
	Tries       tries
	ConfirmedAt time.Time
	Recovery    string
	CreatedAt   time.Time
}

// Enrolment is a fresh TOTP secret, shown this once; it counts once a code of it was right.
type Enrolment struct {
	Secret string `json:"secret" doc:"Base 32, to type into an authenticator app."`
	URI    string `json:"uri" doc:"otpauth://, to show as a QR code."`
}

// TOTPCode returns the code of a base 32 secret for an instant. Errors: the secret is not base 32.
func TOTPCode(secret string, at time.Time) (string, error) {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return "", fmt.Errorf("read a TOTP secret: %w", err)
	}
	return totpCode(key, stepOf(at)), nil
}

func stepOf(at time.Time) int64 { return at.Unix() / int64(totpPeriod/time.Second) }

// totpCode is HOTP, RFC 4226 §5.3.
func totpCode(key []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step)) //nolint:gosec // steps are positive
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", codeDigits, number%codeMod)
}

// Sealed says what is sealed in this domain's tables.
func Sealed() []vault.Sealed {
	return []vault.Sealed{{Purpose: totpPurpose, Table: "totp", Key: "id", Column: "sealed"}}
}

func totpAAD(s subject) []byte { return vault.RowAAD("totp", "sealed", s.id) }

// appTry is what somebody brings from an authenticator app: its code or a recovery code. The secret is opened before
// the decision, which may not wait for the keys.
type appTry struct {
	code   string
	sealed []byte
	key    []byte
}

func (a *Auth) appTry(ctx context.Context, s subject, code string) (appTry, error) {
	t := appTry{code: code}
	if len(code) != codeDigits {
		return t, nil
	}
	var err error
	if t.sealed, err = a.readTOTP(ctx, s.id); err != nil || len(t.sealed) == 0 {
		return t, err
	}
	t.key, err = a.vault.Open(totpPurpose, totpAAD(s), t.sealed)
	return t, fault.Wrap(err, "open the TOTP secret of "+s.id)
}

func (a *Auth) totpKey(s subject) commit.Key { return a.totpTable.Key(s.id) }

// requireTOTP refuses a decision that has not a right TOTP code, or a recovery code, which works once. A wrong one is
// counted although the decision refuses, with the lockout of PINs.
//
// Errors: auth.totp_wrong (Forbidden), auth.totp_locked (Limited), auth.totp_not_set (Conflict).
func (a *Auth) requireTOTP(tx *commit.Tx, s subject, t appTry) (totpRow, error) {
	row, found, err := a.totpTable.Get(tx, a.totpKey(s))
	if err != nil {
		return row, err
	}
	if !found || len(row.Sealed) == 0 {
		return row, totpNotSet()
	}
	if wait := row.Tries.wait(tx.Now()); wait > 0 {
		return row, totpLocked(wait)
	}
	right, err := a.totpRight(&row, t, tx.Now())
	if err != nil {
		return row, err
	}
	if right {
		row.Tries = tries{}
		a.totpTable.Put(tx, row)
		return row, nil
	}
	row.Tries = row.Tries.missed(tx.Now())
	a.totpTable.Put(tx, row)
	if wait := row.Tries.wait(tx.Now()); wait > 0 {
		return row, commit.Keep(totpLocked(wait))
	}
	return row, commit.Keep(fault.Newf(fault.Forbidden, "auth.totp_wrong",
		"the code of the app is wrong or was used; %d tries left", row.Tries.left()).WithParam("totp"))
}

func totpNotSet() *fault.Fault {
	return fault.New(fault.Conflict, "auth.totp_not_set", "there is no authenticator app yet").WithParam("totp")
}

// requireApp is requireTOTP for a secret that counts.
func (a *Auth) requireApp(tx *commit.Tx, s subject, t appTry) error {
	row, found, err := a.totpTable.Get(tx, a.totpKey(s))
	if err != nil {
		return err
	}
	if !found || row.ConfirmedAt.IsZero() {
		return totpNotSet()
	}
	_, err = a.requireTOTP(tx, s, t)
	return err
}

func totpRequired() *fault.Fault {
	return fault.New(fault.Forbidden, "auth.totp_required", "this needs the code of your authenticator app").
		WithParam("totp")
}

func totpLocked(wait time.Duration) *fault.Fault {
	return fault.Newf(fault.Limited, "auth.totp_locked",
		"too many wrong codes; try again in %s", inWords(wait)).WithParam("totp").WithRetryAfter(wait)
}

// totpRight looks for the step of a code, or for a recovery code, and marks it as used.
func (a *Auth) totpRight(row *totpRow, t appTry, now time.Time) (bool, error) {
	code := t.code
	if len(code) != codeDigits {
		if row.ConfirmedAt.IsZero() || code == "" {
			return false, nil
		}
		left := strings.Fields(row.Recovery)
		mac := a.vault.MAC(recoveryPurpose, row.ID, strings.ToUpper(strings.ReplaceAll(code, "-", "")))
		i := slices.IndexFunc(left, func(known string) bool {
			return subtle.ConstantTimeCompare([]byte(known), []byte(mac)) == 1
		})
		if i < 0 {
			return false, nil
		}
		row.Recovery = strings.Join(slices.Delete(left, i, i+1), " ")
		return true, nil
	}
	if !bytes.Equal(t.sealed, row.Sealed) { // set up anew or sealed again in between
		return false, fault.New(fault.Unavailable, "auth.totp_changed", "the app was changed just now; try again").
			WithParam("totp")
	}
	for step := stepOf(now) - totpSkew; step <= stepOf(now)+totpSkew; step++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(t.key, step)), []byte(code)) == 1 && step > row.LastStep {
			row.LastStep = step
			return true, nil
		}
	}
	return false, nil
}

// newEnrolment draws a secret for a subject whose login is name.
func (a *Auth) newEnrolment(s subject, name string) (Enrolment, totpRow, error) {
	var key [totpSecret]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the program instead (crypto/rand)
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key[:])
	sealed, err := a.vault.Seal(totpPurpose, totpAAD(s), key[:])
	return Enrolment{Secret: secret, URI: otpauth(secret, name)}, totpRow{ID: s.id, Sealed: sealed}, err
}

func otpauth(secret, name string) string {
	query := url.Values{"secret": {secret}, "issuer": {"Feiqian"}}
	return "otpauth://totp/" + url.PathEscape("Feiqian:"+name) + "?" + query.Encode()
}

// putEnrolment stores a fresh secret, unless one counts already. Errors: auth.totp_set (Conflict).
func (a *Auth) putEnrolment(tx *commit.Tx, row totpRow) error {
	known, found, err := a.totpTable.Get(tx, a.totpTable.Key(row.ID))
	if err != nil {
		return err
	}
	if found && !known.ConfirmedAt.IsZero() {
		return fault.New(fault.Conflict, "auth.totp_set", "there is an authenticator app already").
			WithHint("remove it first")
	}
	row.CreatedAt, row.Tries = tx.Now(), known.Tries // a fresh secret does not lift a lock
	a.totpTable.Put(tx, row)
	return nil
}

// drawRecovery draws recovery codes and their MACs.
func (a *Auth) drawRecovery(s subject) (codes []string, macs string) {
	var kept []string
	for range recoveryCodes {
		code := rand.Text()[:recoveryLength]
		codes = append(codes, code[:8]+"-"+code[8:])
		kept = append(kept, a.vault.MAC(recoveryPurpose, s.id, code))
	}
	return codes, strings.Join(kept, " ")
}

// BeginTOTP draws a TOTP secret for a customer who proved the password again. Errors: those of VerifyPassword,
// auth.totp_set.
func (a *Auth) BeginTOTP(ctx context.Context, customer id.Customer, password string) (Enrolment, error) {
	known, err := a.parties.Customer(ctx, customer)
	if err != nil {
		return Enrolment{}, err
	}
	if err := a.VerifyPassword(ctx, customer, password); err != nil {
		return Enrolment{}, err
	}
	s := customerSubject(customer)
	enrolment, row, err := a.newEnrolment(s, party.MaskPhone(known.Phone))
	if err != nil {
		return Enrolment{}, err
	}
	err = a.committer.Do(ctx, []commit.Key{a.totpKey(s)}, func(tx *commit.Tx) error { return a.putEnrolment(tx, row) })
	return enrolment, fault.Wrap(err, "begin TOTP of "+s.id)
}

// ConfirmTOTP makes a customer's fresh secret count, by a code of it, and returns the recovery codes, shown this once.
// Errors: those of requireTOTP, auth.totp_set.
func (a *Auth) ConfirmTOTP(ctx context.Context, customer id.Customer, code string) ([]string, error) {
	s := customerSubject(customer)
	codes, macs := a.drawRecovery(s)
	try, err := a.appTry(ctx, s, code)
	if err != nil {
		return nil, err
	}
	err = a.committer.Do(ctx, []commit.Key{a.totpKey(s)}, func(tx *commit.Tx) error {
		known, found, err := a.totpTable.Get(tx, a.totpKey(s))
		if err != nil {
			return err
		}
		if found && !known.ConfirmedAt.IsZero() {
			return fault.New(fault.Conflict, "auth.totp_set", "there is an authenticator app already")
		}
		row, err := a.requireTOTP(tx, s, try)
		if err != nil {
			return err
		}
		row.ConfirmedAt, row.Recovery = tx.Now(), macs
		a.totpTable.Put(tx, row)
		return a.recordCredential(ctx, tx, "totp.enrolled", s, nil, nil)
	})
	if err != nil {
		return nil, fault.Wrap(err, "confirm TOTP of "+s.id)
	}
	return codes, nil
}

// RemoveTOTP takes a customer's authenticator app away; the password proves it again, and a code of the app. Errors:
// those of VerifyPassword and requireTOTP.
func (a *Auth) RemoveTOTP(ctx context.Context, customer id.Customer, password, code string) error {
	if err := a.VerifyPassword(ctx, customer, password); err != nil {
		return err
	}
	s := customerSubject(customer)
	try, err := a.appTry(ctx, s, code)
	if err != nil {
		return err
	}
	err = a.committer.Do(ctx, []commit.Key{a.totpKey(s)}, func(tx *commit.Tx) error {
		row, err := a.requireTOTP(tx, s, try)
		if err != nil {
			return err
		}
		row.ConfirmedAt, row.Recovery, row.Sealed = time.Time{}, "", []byte{}
		a.totpTable.Put(tx, row)
		return a.recordCredential(ctx, tx, "totp.removed", s, nil, nil)
	})
	return fault.Wrap(err, "remove TOTP of "+s.id)
}
