package job

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
)

const jobColumns = "id, kind, subject, payload, state, run_at, attempts, last_error, created_at"

func scanJobs(rows *sql.Rows, err error) ([]Job, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Job
	for rows.Next() {
		var job Job
		var runAt, createdAt int64
		if err := rows.Scan(&job.ID, &job.Kind, &job.Subject, &job.Payload, &job.State,
			&runAt, &job.Attempts, &job.LastError, &createdAt); err != nil {
			return nil, err
		}
		job.RunAt, job.CreatedAt = clock.FromMicros(runAt), clock.FromMicros(createdAt)
		out = append(out, job)
	}
	return out, rows.Err()
}

// dueCondition selects the due jobs of this node's kinds; $1 is now.
func (j *Jobs) dueCondition(now time.Time) (string, []any) {
	args := []any{clock.Micros(now)}
	marks := make([]string, 0, len(j.kinds))
	for name := range j.kinds {
		args = append(args, name)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	return "state = 'ready' AND run_at <= $1 AND kind IN (" + strings.Join(marks, ", ") + ")", args
}

// due reports whether a job waits, on a read connection: the idle poll writes nothing.
func (j *Jobs) due(ctx context.Context) (bool, error) {
	condition, args := j.dueCondition(j.clock.Now())
	var found bool
	err := j.db.Read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM jobs WHERE "+condition+")", args...).Scan(&found)
	return found, err
}

// selectDue reads due jobs, oldest first, and locks them where others could take them too.
func (j *Jobs) selectDue(ctx context.Context, tx *sql.Tx, now time.Time, limit int) ([]Job, error) {
	condition, args := j.dueCondition(now)
	return scanJobs(tx.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM jobs WHERE %s ORDER BY run_at LIMIT %d%s",
		jobColumns, condition, limit, j.db.SkipLocked()), args...))
}

// lease gives one job to the holder of token until the instant until.
func lease(ctx context.Context, tx *sql.Tx, job id.Job, token string, until time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE jobs SET run_at = $2, leased_by = $3, attempts = attempts + 1 WHERE id = $1",
		string(job), clock.Micros(until), token)
	return err
}

// deleteDone ends a job that is done, if its lease is still ours.
func deleteDone(ctx context.Context, tx *sql.Tx, o *outcome) (bool, error) {
	return changed(tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = $1 AND leased_by = $2", string(o.job.ID), o.token))
}

// putBack writes how an unfinished job goes on, if its lease is still ours.
func putBack(ctx context.Context, tx *sql.Tx, o *outcome) (bool, error) {
	return changed(tx.ExecContext(ctx,
		`UPDATE jobs SET state = $3, run_at = $4, attempts = $5, last_error = $6, leased_by = ''
		WHERE id = $1 AND leased_by = $2`,
		string(o.job.ID), o.token, o.job.State, clock.Micros(o.job.RunAt), o.job.Attempts, o.job.LastError))
}

// bury makes dead a job whose last lease ended without an answer.
func bury(ctx context.Context, tx *sql.Tx, job *Job) error {
	_, err := tx.ExecContext(ctx, "UPDATE jobs SET state = 'dead', leased_by = '', last_error = $2 WHERE id = $1",
		string(job.ID), job.LastError)
	return err
}

func (j *Jobs) selectDead(ctx context.Context, cursor id.Job, limit int) ([]Job, error) {
	return scanJobs(j.db.Read.QueryContext(ctx,
		"SELECT "+jobColumns+" FROM jobs WHERE state = 'dead' AND id > $1 ORDER BY id LIMIT $2", string(cursor), limit))
}

func (j *Jobs) revive(ctx context.Context, job id.Job, also []func(tx *sql.Tx) error) (bool, error) {
	var revived bool
	err := j.db.Write(ctx, func(tx *sql.Tx) (err error) {
		revived, err = changed(tx.ExecContext(ctx,
			"UPDATE jobs SET state = 'ready', run_at = $2, attempts = 0, leased_by = '' WHERE id = $1 AND state = 'dead'",
			string(job), clock.Micros(j.clock.Now())))
		for _, fn := range also {
			if err == nil && revived {
				err = fn(tx)
			}
		}
		return err
	})
	return revived, err
}

// readLease returns when a lease ends; the zero time where nobody holds it.
func (j *Jobs) readLease(ctx context.Context, name string) (time.Time, error) {
	var ends int64
	err := j.db.Read.QueryRowContext(ctx,
		"SELECT COALESCE(max(expires_at), 0) FROM leases WHERE name = $1", name).Scan(&ends)
	return clock.FromMicros(ends), err
}

// takeLease takes a lease that is free, has ended or is the holder's own.
func (j *Jobs) takeLease(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	var held bool
	err := j.db.Write(ctx, func(tx *sql.Tx) (err error) {
		now := j.clock.Now()
		held, err = changed(tx.ExecContext(ctx,
			`INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
			WHERE leases.expires_at <= $4 OR leases.holder = excluded.holder`,
			name, holder, clock.Micros(now.Add(ttl)), clock.Micros(now)))
		return err
	})
	return held, err
}

// setLease moves the end of a lease that is the holder's own.
func (j *Jobs) setLease(ctx context.Context, name, holder string, until time.Time) (bool, error) {
	var held bool
	err := j.db.Write(ctx, func(tx *sql.Tx) (err error) {
		held, err = changed(tx.ExecContext(ctx, "UPDATE leases SET expires_at = $3 WHERE name = $1 AND holder = $2",
			name, holder, clock.Micros(until)))
		return err
	})
	return held, err
}

func (j *Jobs) dropLease(ctx context.Context, name, holder string) error {
	return j.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM leases WHERE name = $1 AND holder = $2", name, holder)
		return err
	})
}

func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
