package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
)

// Checkpoint is a signed statement of the log: with Size leaves its root is Root. Note is its text
// in the form of C2SP tlog-checkpoint, with its signatures.
type Checkpoint struct {
	Size      int64     `json:"size"`
	Root      tlog.Hash `json:"root"`
	Note      string    `json:"note"`
	CreatedAt time.Time `json:"created_at"`
}

// checkpointBody is the signed text: origin, size and root, each on a line.
func checkpointBody(origin string, size int64, root tlog.Hash) string {
	return origin + "\n" + strconv.FormatInt(size, 10) + "\n" + root.String() + "\n"
}

// parseCheckpoint reads the signed text. Lines behind the root are extensions and pass.
func parseCheckpoint(text string) (origin string, tree tlog.Tree, err error) {
	bad := errors.New("not a checkpoint: origin, size and root are wanted, each on a line")
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return "", tree, bad
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || tree.N < 0 || strconv.FormatInt(tree.N, 10) != lines[1] {
		return "", tree, bad
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return "", tree, bad
	}
	tree.Hash = tlog.Hash(root)
	return lines[0], tree, nil
}

// openCheckpoint checks a note's signature by one of the keys and reads its text.
//
// Errors: ledger.unknown_key, ledger.signature_wrong, ledger.checkpoint_malformed.
func openCheckpoint(text string, keys ...note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(keys...))
	var unknown *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unknown):
		return tlog.Tree{}, unknownKey("the checkpoint is not signed by a trusted key", err)
	case errors.As(err, &invalid):
		return tlog.Tree{}, fault.New(fault.Invalid, "ledger.signature_wrong", "the checkpoint's signature is wrong").
			WithCause(err)
	case err != nil:
		return tlog.Tree{}, malformedCheckpoint(err)
	}
	origin, tree, err := parseCheckpoint(opened.Text)
	if err != nil {
		return tlog.Tree{}, malformedCheckpoint(err)
	}
	for _, key := range keys {
		for _, signature := range opened.Sigs {
			// The signer must speak for this very log (C2SP tlog-checkpoint: the key's name is the origin).
			if key.Name() == origin && signature.Name == origin && key.KeyHash() == signature.Hash {
				return tree, nil
			}
		}
	}
	return tlog.Tree{}, unknownKey("the checkpoint is signed by the key of another log", fmt.Errorf("origin %q", origin))
}

func unknownKey(message string, cause error) error {
	return fault.New(fault.Invalid, "ledger.unknown_key", message).
		WithHint("compare the key with the one the operator publishes").WithCause(cause)
}

// parseUnverified reads a note's text without a look at its signatures.
func parseUnverified(text string) (tlog.Tree, error) {
	_, err := note.Open([]byte(text), nil)
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return tlog.Tree{}, malformedCheckpoint(err)
	}
	_, tree, err := parseCheckpoint(unverified.Note.Text)
	if err != nil {
		return tlog.Tree{}, malformedCheckpoint(err)
	}
	return tree, nil
}

func malformedCheckpoint(err error) error {
	return fault.New(fault.Invalid, "ledger.checkpoint_malformed", "this is not a signed checkpoint").WithCause(err)
}

func noCheckpoint() error {
	return fault.New(fault.NotFound, "ledger.no_checkpoint", "there is no such checkpoint of the log")
}

// Checkpoint returns the newest checkpoint. Errors: ledger.no_checkpoint.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) {
	c, err := l.newest(ctx)
	if err == nil && c.Size == 0 {
		return c, noCheckpoint()
	}
	return c, err
}

// CheckpointAt returns the checkpoint of that size. Errors: ledger.no_checkpoint.
func (l *Log) CheckpointAt(ctx context.Context, size int64) (Checkpoint, error) {
	c, err := l.readCheckpoint(ctx, size, size)
	if err == nil && c.Size == 0 {
		return c, noCheckpoint()
	}
	return c, err
}

// newest returns the newest checkpoint; its size is 0 where there is none.
func (l *Log) newest(ctx context.Context) (Checkpoint, error) {
	return l.readCheckpoint(ctx, 1, math.MaxInt64)
}

// readCheckpoint reads the largest checkpoint of a size from least to most.
func (l *Log) readCheckpoint(ctx context.Context, least, most int64) (Checkpoint, error) {
	row := l.db.Read.QueryRowContext(ctx, `SELECT size, root, note, created_at FROM log_checkpoints
		WHERE size BETWEEN $1 AND $2 ORDER BY size DESC LIMIT 1`, least, most)
	c, err := scanCheckpoint(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Checkpoint{}, nil
	}
	return c, fault.Wrap(l.db.Fault(err), "read a checkpoint")
}

func scanCheckpoint(scan func(...any) error) (Checkpoint, error) {
	var c Checkpoint
	var root []byte
	var at int64
	if err := scan(&c.Size, &root, &c.Note, &at); err != nil {
		return c, err
	}
	copy(c.Root[:], root)
	c.CreatedAt = clock.FromMicros(at)
	return c, nil
}

// sign signs the log as it is, unless that is signed. It refuses to sign a log that
// does not contain what was signed before.
//
// Errors: ledger.log_forked, ledger.log_damaged.
func (l *Log) sign(ctx context.Context) error {
	before, err := l.newest(ctx)
	if err != nil {
		return err
	}
	// The size is read after the checkpoint: another node may sequence and sign at any time, and a size that
	// is older than the checkpoint would look like a fork.
	size, err := logSize(ctx, l.db.Read)
	if err != nil {
		return fault.Wrap(l.db.Fault(err), "read the size of the log")
	}
	if before.Size == size {
		return nil
	}
	if err := l.checkGrown(ctx, before, size); err != nil {
		return err
	}
	root, err := tlog.TreeHash(size, storedHashes(ctx, l.db.Read))
	if err != nil {
		return fault.Wrap(l.db.Fault(err), "compute the root of the log")
	}
	signed, err := note.Sign(&note.Note{Text: checkpointBody(l.Origin(), size, root)}, l.signer)
	if err != nil {
		return fault.Wrap(err, "sign a checkpoint")
	}
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO log_checkpoints (size, root, note, created_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (size) DO NOTHING`, size, root[:], string(signed), clock.Micros(l.clock.Now()))
		return err
	})
}

func (l *Log) checkGrown(ctx context.Context, before Checkpoint, size int64) error {
	if before.Size == 0 {
		return nil
	}
	forked := fault.New(fault.Internal, "ledger.log_forked", "the log does not contain what was signed before").
		WithHint("run `feiqian verify`; a new checkpoint would contradict an old one, so none is signed")
	size = min(size, before.Size)
	root, err := tlog.TreeHash(size, storedHashes(ctx, l.db.Read))
	switch {
	case err != nil:
		return fault.Wrap(l.db.Fault(err), "compute the root of the log")
	case size < before.Size:
		return forked.WithCause(fmt.Errorf("%d leaves are there, %d were signed", size, before.Size))
	case root != before.Root:
		return forked.WithCause(fmt.Errorf("the root of the first %d leaves has changed", size))
	}
	return nil
}

// ConsistencyProof proves that the log of newSize leaves contains that of oldSize as its beginning
// (RFC 6962 §2.1.2). Errors: ledger.bad_log_size.
func (l *Log) ConsistencyProof(ctx context.Context, oldSize, newSize int64) (tlog.TreeProof, error) {
	size, err := logSize(ctx, l.db.Read)
	if err != nil {
		return nil, fault.Wrap(l.db.Fault(err), "read the size of the log")
	}
	if oldSize < 1 || oldSize > newSize || newSize > size {
		return nil, fault.Newf(fault.Invalid, "ledger.bad_log_size",
			"sizes go up from 1 to that of the log, which is %d", size)
	}
	proof, err := tlog.ProveTree(newSize, oldSize, storedHashes(ctx, l.db.Read))
	return proof, fault.Wrap(l.db.Fault(err), "prove consistency")
}

// VerifyConsistency checks, without a server, that the log of one signed checkpoint contains that of
// an older one as its beginning. TrustedKey is the log's verifier key.
//
// Errors: ledger.bad_trusted_key, ledger.unknown_key, ledger.signature_wrong, ledger.checkpoint_malformed,
// ledger.proof_wrong.
func VerifyConsistency(oldNote, newNote, trustedKey string, proof tlog.TreeProof) error {
	key, err := trusted(trustedKey)
	if err != nil {
		return err
	}
	older, err := openCheckpoint(oldNote, key)
	if err != nil {
		return fault.Wrap(err, "the older checkpoint")
	}
	newer, err := openCheckpoint(newNote, key)
	if err != nil {
		return fault.Wrap(err, "the newer checkpoint")
	}
	if err := tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash); err != nil {
		return fault.New(fault.Invalid, "ledger.proof_wrong", "the newer log does not contain the older one").WithCause(err)
	}
	return nil
}

func trusted(key string) (note.Verifier, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "ledger.bad_trusted_key", "this is not a verifier key").
			WithHint("a key is written name+hash+key").WithCause(err)
	}
	return verifier, nil
}
