package vault

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/feiqian/feiqian/internal/fault"
)

// The key file is one line: this mark, then the root secret in base64url.
const (
	fileMark = "feiqian-root-1:"
	fileMax  = 1 << 10 // bytes; no key file is longer
	fileMode = 0o600
	dirMode  = 0o700
	others   = 0o077 // what nobody but the owner may do
)

// Open reads the root secret from the key file at path.
//
// Errors: vault.no_key_file, vault.key_file_exposed (others may read it), vault.bad_key_file.
func Open(path string) (*Vault, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Newf(fault.NotFound, "vault.no_key_file", "there is no key file %s", path).
			WithHint("restore it from the backup, or start on an empty database to have a new one made").WithCause(err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the key file: %w", err)
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the key file: %w", err)
	}
	if !about.Mode().IsRegular() {
		return nil, badFile(path)
	}
	if about.Mode().Perm()&others != 0 {
		return nil, fault.Newf(fault.Invalid, "vault.key_file_exposed",
			"the key file %s is open to others (mode %04o)", path, about.Mode().Perm()).
			WithHint("run `chmod 600 " + path + "`, and make new keys if somebody may have read it")
	}
	text, err := io.ReadAll(io.LimitReader(file, fileMax))
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	encoded, marked := strings.CutPrefix(strings.TrimSpace(string(text)), fileMark)
	root, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !marked || err != nil || len(root) != KeySize {
		return nil, badFile(path) // the cause could quote the secret
	}
	return derived(root)
}

func badFile(path string) error {
	return fault.Newf(fault.Invalid, "vault.bad_key_file", "%s is not a key file", path).
		WithHint("restore it from the backup; it is one line that begins with " + fileMark)
}

// Create makes a new root secret and its key file at path, which must not exist. The file appears
// whole and is on the disk when Create returns.
//
// Errors: vault.key_file_exists.
func Create(path string) (*Vault, error) {
	var root [KeySize]byte
	_, _ = rand.Read(root[:]) // never fails: it ends the program instead (crypto/rand)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the folder of the key file: %w", err)
	}
	draft := fmt.Sprintf("%s.%s", path, Token("new-"))
	if err := writeSynced(draft, fileMark+base64.RawURLEncoding.EncodeToString(root[:])+"\n"); err != nil {
		return nil, errors.Join(err, removeIfThere(draft))
	}
	// A link, unlike a rename, refuses to replace a file that is there.
	err := os.Link(draft, path)
	err = errors.Join(err, removeIfThere(draft))
	if errors.Is(err, fs.ErrExist) {
		return nil, fault.Newf(fault.Conflict, "vault.key_file_exists", "the key file %s exists already", path).WithCause(err)
	}
	if err != nil {
		return nil, fmt.Errorf("put the key file in place: %w", err)
	}
	if err := syncFolder(dir); err != nil {
		return nil, err
	}
	return derived(root[:])
}

// OpenOrCreate opens the key file at path, and makes it where there is none.
//
// Errors: as Open.
func OpenOrCreate(path string) (*Vault, error) {
	v, err := Open(path)
	if fault.CodeOf(err) != "vault.no_key_file" {
		return v, err
	}
	v, err = Create(path)
	if fault.CodeOf(err) == "vault.key_file_exists" { // another process was first
		return Open(path)
	}
	return v, err
}

func writeSynced(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode) //nolint:gosec // the operator names it
	if err != nil {
		return fmt.Errorf("make the key file: %w", err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the draft of the key file: %w", err)
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return fmt.Errorf("open the folder of the key file: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync the folder of the key file: %w", err)
	}
	return nil
}
