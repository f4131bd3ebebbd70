package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/feiqian/feiqian/internal/fault"
)

// postgresDialect serves PostgreSQL and engines that speak its protocol.
func postgresDialect() *dialect {
	return &dialect{
		name:       "postgres",
		goose:      "postgres",
		words:      []string{"ID PRIMARY KEY", `TEXT COLLATE "C" PRIMARY KEY`, ") CLUSTERED;", ");"},
		skipLocked: " FOR UPDATE SKIP LOCKED",
		open:       openPostgres,
		again:      postgresAgain,
		duplicate:  func(err error) bool { return postgresCode(err) == "23505" },
		writer:     newPostgresWriter,
		horizon:    postgresHorizon,
		migrator:   func(db *DB) (*sql.DB, func(), error) { return db.write, func() {}, nil },
	}
}

func postgresCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// postgresAgain knows serialization failure, deadlock and lock time-out (SQLSTATE class 40, 55P03).
func postgresAgain(err error) bool {
	switch postgresCode(err) {
	case "40001", "40P01", "55P03":
		return true
	}
	return false
}

const (
	postgresReadConns  = 16
	postgresWriteConns = 8
)

func openPostgres(source string, db *DB) error {
	config, err := pgx.ParseConfig(source)
	if err != nil {
		// The driver's error may hold the URL with its password.
		return fault.New(fault.Invalid, "database.bad_url", "the PostgreSQL URL is not understood").
			WithHint("write postgres://user:password@host:port/name")
	}
	config.RuntimeParams["application_name"] = "feiqian"
	db.write = stdlib.OpenDB(*config)
	readConfig := config.Copy()
	readConfig.RuntimeParams["default_transaction_read_only"] = "on"
	db.Read = stdlib.OpenDB(*readConfig)
	db.write.SetMaxOpenConns(postgresWriteConns)
	db.Read.SetMaxOpenConns(postgresReadConns)
	db.Read.SetMaxIdleConns(postgresReadConns)
	db.write.SetMaxIdleConns(postgresWriteConns)
	return nil
}

const (
	postgresWriterName = "feiqian-writer"
	// clockSkewMax is how far the clocks of nodes and database may be apart.
	clockSkewMax = time.Second
)

// postgresHorizon is the start of the oldest transaction of a group writer, or now, less what clocks may differ.
func postgresHorizon(ctx context.Context, db *DB) (time.Time, error) {
	var writers, oldest int64
	err := db.Read.QueryRowContext(ctx, `SELECT count(*),
		CAST(extract(epoch FROM LEAST(min(xact_start), clock_timestamp())) * 1000000 AS BIGINT)
		FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()`, postgresWriterName).
		Scan(&writers, &oldest)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for open groups: %w", err)
	}
	if writers <= 1 {
		return noHorizon(), nil
	}
	return time.UnixMicro(oldest).Add(-clockSkewMax), nil
}

// postgresWriter runs a group in two round trips: begin and lock; write and commit.
type postgresWriter struct {
	db     *DB
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

func newPostgresWriter(ctx context.Context, db *DB) (Writer, error) {
	config, err := pgx.ParseConfig(db.source)
	if err != nil {
		return nil, fault.New(fault.Invalid, "database.bad_url", "the PostgreSQL URL is not understood")
	}
	// The statements find rows by key only; a plan made while a table was empty must not scan it
	// when it is large.
	maps.Copy(config.RuntimeParams, map[string]string{
		"application_name": postgresWriterName, "plan_cache_mode": "force_generic_plan",
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
		"lock_timeout": "5s", "jit": "off", "synchronous_commit": "on",
	})
	w := &postgresWriter{db: db, config: config}
	return w, w.connect(ctx)
}

func (w *postgresWriter) connect(ctx context.Context) error {
	if w.conn != nil && !w.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, w.config)
	if err != nil {
		return fault.New(fault.Unavailable, "database.unreachable", "the database can't be reached").
			WithRetryAfter(time.Second).WithCause(err)
	}
	w.conn = conn
	return nil
}

// Lock sends BEGIN and all locked reads in one round trip.
func (w *postgresWriter) Lock(ctx context.Context, reads []Read) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	for i := range reads {
		r := &reads[i]
		text := r.Table.text(statement{selects, r.Column}, lockText)
		batch.Queue(text, r.Keys).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				r.Row(postgresCells(rows.RawValues()))
			}
			return rows.Err()
		})
	}
	if err := w.conn.SendBatch(ctx, batch).Close(); err != nil {
		return w.classify(err, false)
	}
	return nil
}

// lockText reads rows by an array of keys, locked where another node could change them.
func lockText(t *Table, column int) string {
	condition := "= ANY($1)"
	if !t.Immutable {
		condition += fmt.Sprintf(" ORDER BY %s FOR UPDATE", t.Columns[0].Name)
	}
	return selectText(t, column, condition)
}

// postgresCells are the values of a row in the protocol's binary format (text is the same in both formats): what
// pgx asks for by itself for these types.
type postgresCells [][]byte

func (c postgresCells) Text(column int) string { return string(c[column]) }

func (c postgresCells) Int(column int) int64 {
	return int64(binary.BigEndian.Uint64(c[column])) //nolint:gosec // two's complement
}

func (c postgresCells) Bool(column int) bool { return c[column][0] != 0 }

func (c postgresCells) Bytes(column int) []byte { return bytes.Clone(c[column]) }

// Commit sends all writes and COMMIT in one round trip. The server stops at the first error and
// rolls back at COMMIT, so an error of its own means that nothing was written.
func (w *postgresWriter) Commit(ctx context.Context, writes []Write) error {
	batch := &pgx.Batch{}
	for i := range writes {
		wr := &writes[i]
		text := wr.Table.text(statement{verb: inserts}, insertArraysText)
		args := wr.Values
		if wr.Update {
			text = wr.Table.text(statement{verb: updates}, updateArraysText)
			args = wr.Values[:1:1]
			for c, column := range wr.Table.Columns[1:] {
				if column.Mutable {
					args = append(args, wr.Values[c+1])
				}
			}
		}
		batch.Queue(text, args...)
	}
	batch.Queue("COMMIT")
	if err := w.conn.SendBatch(ctx, batch).Close(); err != nil {
		return w.classify(err, true)
	}
	return nil
}

func (w *postgresWriter) classify(err error, committing bool) error {
	var refused *pgconn.PgError
	switch {
	case postgresAgain(err), w.db.dialect.duplicate(err):
		return errors.Join(ErrAgain, err)
	case errors.As(err, &refused) && refused.Code[:2] != "57" && refused.Code[:2] != "08":
		return err
	case committing:
		return errors.Join(ErrUnknown, err)
	default: // a lost connection before any write: nothing can have been written
		return errors.Join(ErrAgain, err)
	}
}

// Rollback ends the transaction; a connection that can't even do that is thrown away.
func (w *postgresWriter) Rollback(ctx context.Context) {
	if w.conn == nil || w.conn.IsClosed() || w.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := w.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = w.conn.Close(ctx)
	}
}

// Settle puts the group's row in as a tombstone, committed at no time. A conflict with another row says that the
// group was committed; none, or one with a tombstone of ours whose answer was lost, that the lost
// transaction can never commit, since it would meet the tombstone.
func (w *postgresWriter) Settle(ctx context.Context, group string) (bool, error) {
	if w.conn != nil {
		_ = w.conn.Close(ctx)
	}
	if err := w.connect(ctx); err != nil {
		return false, err
	}
	var committedAt int64
	err := w.conn.QueryRow(ctx, `INSERT INTO commit_groups AS g (id, committed_at, leaf_count) VALUES ($1, 0, 0)
		ON CONFLICT (id) DO UPDATE SET committed_at = g.committed_at RETURNING committed_at`, group).Scan(&committedAt)
	if err != nil {
		return false, fmt.Errorf("settle group %s: %w", group, err)
	}
	return committedAt != 0, nil
}

// Close closes the connection.
func (w *postgresWriter) Close() {
	if w.conn != nil {
		_ = w.conn.Close(context.Background()) //nolint:forbidigo // closing takes no context, like io.Closer
	}
}
