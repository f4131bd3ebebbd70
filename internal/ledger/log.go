package ledger

import (
	"context"
	"crypto"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/signednote"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// Log is the append-only Merkle log of all entries (RFC 6962 §2). A commit leaves its entries' leaves
// in its group's row; the sequencer (sequencer.go) gives them their places, within a second; a signed checkpoint
// (checkpoint.go) names a size and a root; a receipt (receipt.go) proves one entry to anybody, offline.
type Log struct {
	db     *sqldb.DB
	clock  *clock.Clock
	log    *slog.Logger
	signer *signednote.Signer
}

// LogOptions name a log and its key.
type LogOptions struct {
	// Origin names the log on checkpoints and in its key: a domain name and a path without scheme, such
	// as `pay.example.com/ledger`. No spaces, no plus signs.
	Origin string
	// Key is the Ed25519 key that signs checkpoints.
	Key crypto.Signer
	Log *slog.Logger
}

// NewLog returns the log on db. Errors: ledger.bad_log_key.
func NewLog(db *sqldb.DB, clk *clock.Clock, options LogOptions) (*Log, error) {
	signer, err := signednote.New(options.Origin, options.Key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "ledger.bad_log_key",
			"the log needs an Ed25519 key and an origin without spaces and plus signs").WithCause(err)
	}
	return &Log{db: db, clock: clk, log: options.Log, signer: signer}, nil
}

// Key returns the log's verifier key, `name+hash+key`, as C2SP signed-note writes it: what auditors and
// holders of receipts trust.
func (l *Log) Key() string { return l.signer.Key() }

// Origin returns the log's name.
func (l *Log) Origin() string { return l.signer.Name() }

// querier is a transaction or a pool of connections to read with.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// chunkHashes is the number of hashes in one row of log_hashes.
const chunkHashes = 1024

// storedHashes reads the log's hashes by their stored index (tlog.StoredHashIndex).
func storedHashes(ctx context.Context, q querier) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		if len(indexes) == 0 {
			return nil, nil
		}
		marks, args := make([]string, len(indexes)), make([]any, 0, 3*len(indexes))
		for i, index := range indexes {
			marks[i] = fmt.Sprintf("(CAST($%d AS BIGINT), CAST($%d AS BIGINT), CAST($%d AS INTEGER))", 3*i+1, 3*i+2, 3*i+3)
			args = append(args, int64(i), index/chunkHashes, index%chunkHashes*tlog.HashSize+1)
		}
		rows, err := q.QueryContext(ctx, "WITH wanted (place, chunk, start) AS (VALUES "+strings.Join(marks, ", ")+`)
			SELECT w.place, substr(h.hashes, w.start, 32) FROM wanted w JOIN log_hashes h ON h.chunk = w.chunk`, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		out, found := make([]tlog.Hash, len(indexes)), 0
		for rows.Next() {
			var place int64
			var hash []byte
			if err := rows.Scan(&place, &hash); err != nil {
				return nil, err
			}
			if len(hash) == tlog.HashSize {
				out[place] = tlog.Hash(hash)
				found++
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		if found != len(indexes) {
			return nil, damaged(fmt.Errorf("%d of %d hashes are there", found, len(indexes)))
		}
		return out, nil
	}
}

// logSize returns how many leaves have their place.
func logSize(ctx context.Context, q querier) (int64, error) {
	var chunk, length int64
	err := q.QueryRowContext(ctx, "SELECT chunk, length(hashes) FROM log_hashes ORDER BY chunk DESC LIMIT 1").
		Scan(&chunk, &length)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return sizeOf(chunk, length)
}

// sizeOf returns the number of leaves of a log whose newest chunk has length bytes.
func sizeOf(chunk, length int64) (int64, error) {
	level, size := tlog.SplitStoredHashIndex(chunk*chunkHashes + length/tlog.HashSize)
	if level != 0 || length%tlog.HashSize != 0 {
		return 0, damaged(fmt.Errorf("chunk %d has %d bytes, which is no whole number of leaves", chunk, length))
	}
	return size, nil
}

func damaged(cause error) error {
	return fault.New(fault.Internal, "ledger.log_damaged", "the append-only log is damaged").
		WithHint("run `feiqian verify`, and restore the log from a backup; nothing is sequenced until then").WithCause(cause)
}

// frontier is the right edge of a tree: the roots of its complete subtrees, largest first. With it
// leaves are appended without reading the tree.
type frontier struct {
	size  int64
	roots []tlog.Hash
}

// readFrontier reads the right edge of the tree of size.
func readFrontier(size int64, r tlog.HashReader) (*frontier, error) {
	var indexes []int64
	for at, level := int64(0), bits.Len64(uint64(size))-1; level >= 0; level-- { //nolint:gosec // a size is positive
		if width := int64(1) << level; size&width != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, at>>level))
			at += width
		}
	}
	roots, err := r.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	return &frontier{size: size, roots: slices.Clip(roots)}, nil
}

// add appends a leaf, and every hash to store for it (as tlog.StoredHashes does) to stored.
func (f *frontier) add(leaf tlog.Hash, stored []byte) []byte {
	hash := leaf
	stored = append(stored, hash[:]...)
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.roots) - 1
		hash = tlog.NodeHash(f.roots[last], hash)
		f.roots = f.roots[:last]
		stored = append(stored, hash[:]...)
	}
	f.roots = append(f.roots, hash)
	f.size++
	return stored
}

// root returns the hash of the whole tree.
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		return sha256.Sum256(nil) // RFC 6962 §2.1: the hash of an empty list
	}
	hash := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		hash = tlog.NodeHash(f.roots[i], hash)
	}
	return hash
}
