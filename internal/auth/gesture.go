package auth

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// gestureRow is the gesture lock of a device: the keyed MAC of the pattern, and the wrong tries in a row.
type gestureRow struct {
	Device    id.Device
	MAC       string
	Failures  int64
	UpdatedAt time.Time
}

const (
	gestureMin      = 4
	gestureMax      = 9
	gestureTriesMax = 5
	// idleMax is how long a session on a device with a gesture lock may rest before it locks; it is written anew when
	// less than idleRenew of it is left, so that a busy session costs one commit in ten minutes.
	idleMax   = 15 * time.Minute
	idleRenew = 5 * time.Minute
)

// Pattern reads a gesture: the points it passes, 1 to 9 in three rows from the top left, each at most once, at least
// four. A line passes the point in the middle between two others: who goes from 1 to 3 passes 2, unless 2 was
// passed before, as a finger does. Errors: auth.bad_gesture.
func Pattern(points string) (string, error) {
	bad := fault.Newf(fault.Invalid, "auth.bad_gesture",
		"a gesture passes %d to %d of the points 1 to 9, each once, and none is jumped over", gestureMin, gestureMax).
		WithParam("gesture")
	if len(points) < gestureMin || len(points) > gestureMax || strings.Trim(points, "123456789") != "" {
		return "", bad
	}
	seen := map[byte]bool{}
	for i := range len(points) {
		if i > 0 {
			if middle := between(points[i-1], points[i]); middle != 0 && !seen[middle] {
				return "", bad
			}
		}
		if seen[points[i]] {
			return "", bad
		}
		seen[points[i]] = true
	}
	return points, nil
}

// between returns the point right in the middle of two, 0 where there is none.
func between(a, b byte) byte {
	const side = 3
	rowA, columnA := int(a-'1')/side, int(a-'1')%side
	rowB, columnB := int(b-'1')/side, int(b-'1')%side
	if (rowA+rowB)%2 != 0 || (columnA+columnB)%2 != 0 || a == b {
		return 0
	}
	return byte('1' + (rowA+rowB)/2*side + (columnA+columnB)/2) //nolint:gosec // 0 to 8
}

func (a *Auth) gestureMAC(device id.Device, points string) string {
	return a.vault.MAC("gesture", string(device), points)
}

// SetGesture sets the gesture lock of a session's device, proved by the login password. From now on the session locks
// when it rests for 15 minutes. Errors: auth.bad_gesture, those of VerifyPassword.
func (a *Auth) SetGesture(ctx context.Context, session Session, password, points string) error {
	points, err := Pattern(points)
	if err != nil {
		return err
	}
	if err := a.VerifyPassword(ctx, session.Customer(), password); err != nil {
		return err
	}
	row := gestureRow{Device: session.DeviceID, MAC: a.gestureMAC(session.DeviceID, points)}
	key, gestureKey := a.sessionTable.Key(string(session.ID)), a.gestureTable.Key(string(session.DeviceID))
	err = a.committer.Do(ctx, []commit.Key{key, gestureKey}, func(tx *commit.Tx) error {
		known, found, err := a.sessionTable.Get(tx, key)
		if err != nil || !found {
			return orFault(err, fault.From(sessionInvalid()))
		}
		if _, _, err := a.gestureTable.Get(tx, gestureKey); err != nil { // there may be one, which goes
			return err
		}
		row.UpdatedAt, known.IdleUntil = tx.Now(), tx.Now().Add(idleMax)
		a.gestureTable.Put(tx, row)
		a.sessionTable.Put(tx, known)
		return a.recordCredential(ctx, tx, "gesture.set", session.subject(), nil, nil)
	})
	a.sessions.ForgetAll()
	return fault.Wrap(err, "set the gesture of "+string(session.DeviceID))
}

// Lock locks a session on a device with a gesture lock at once. Errors: auth.gesture_not_set.
func (a *Auth) Lock(ctx context.Context, session Session) error {
	return a.changeLock(ctx, session, func(tx *commit.Tx, row *sessionRow, _ *gestureRow) error {
		row.IdleUntil = tx.Now()
		return nil
	})
}

// Unlock opens a locked session by its gesture. It opens the app and pays nothing. After five wrong ones in a row the
// session ends: sign in again.
//
// Errors: auth.gesture_wrong (Forbidden, says how many tries are left), auth.gesture_not_set, auth.session_invalid.
func (a *Auth) Unlock(ctx context.Context, session Session, points string) error {
	mac := a.gestureMAC(session.DeviceID, points)
	return a.changeLock(ctx, session, func(tx *commit.Tx, row *sessionRow, gesture *gestureRow) error {
		if subtle.ConstantTimeCompare([]byte(gesture.MAC), []byte(mac)) == 1 {
			row.IdleUntil, gesture.Failures = tx.Now().Add(idleMax), 0
			return nil
		}
		gesture.Failures++
		if gesture.Failures >= gestureTriesMax {
			gesture.Failures, row.RevokedAt = 0, tx.Now()
			return commit.Keep(sessionInvalid())
		}
		return commit.Keep(fault.Newf(fault.Forbidden, "auth.gesture_wrong",
			"the gesture is wrong; %d tries left", gestureTriesMax-gesture.Failures).WithParam("gesture"))
	})
}

func (a *Auth) changeLock(
	ctx context.Context, session Session, change func(*commit.Tx, *sessionRow, *gestureRow) error,
) error {
	key, gestureKey := a.sessionTable.Key(string(session.ID)), a.gestureTable.Key(string(session.DeviceID))
	err := a.committer.Do(ctx, []commit.Key{key, gestureKey}, func(tx *commit.Tx) error {
		row, found, err := a.sessionTable.Get(tx, key)
		if err != nil || !found || !row.RevokedAt.IsZero() {
			return orFault(err, fault.From(sessionInvalid()))
		}
		gesture, found, err := a.gestureTable.Get(tx, gestureKey)
		if err != nil || !found {
			return orFault(err, fault.New(fault.Conflict, "auth.gesture_not_set", "this device has no gesture lock"))
		}
		refusal := change(tx, &row, &gesture)
		a.sessionTable.Put(tx, row)
		a.gestureTable.Put(tx, gesture)
		return refusal
	})
	a.sessions.ForgetAll()
	return fault.Wrap(err, "change the lock of "+string(session.ID))
}

// idle refuses a session that rested too long, and moves the rest on where it is due.
func (a *Auth) idle(ctx context.Context, session Session) error {
	if session.IdleUntil.IsZero() {
		return nil
	}
	left := session.IdleUntil.Sub(a.clock.Now())
	if left <= 0 {
		return fault.New(fault.Forbidden, "auth.session_locked", "this session is locked").
			WithHint("unlock it with the gesture at POST /wallet/v1/unlock, or sign in again")
	}
	if left > idleMax-idleRenew {
		return nil
	}
	key := a.sessionTable.Key(string(session.ID))
	err := a.committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		row, found, err := a.sessionTable.Get(tx, key)
		if err != nil || !found || !row.IdleUntil.After(tx.Now()) { // locked meanwhile
			return err
		}
		row.IdleUntil = tx.Now().Add(idleMax)
		a.sessionTable.Put(tx, row)
		return nil
	})
	a.sessions.ForgetAll()
	return fault.Wrap(err, "renew "+string(session.ID))
}
