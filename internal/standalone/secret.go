package standalone

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"plimsoll/internal/config"
)

// keyBytes is the length of generated keys: 256 bits, what an AEAD key needs.
const keyBytes = 32

// keptSecret returns the secret in the file at path; the first time it writes
// there what generate returns. The file appears whole or not at all.
func keptSecret(path string, generate func() string) (config.Secret, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		if secret := strings.TrimSpace(string(text)); secret != "" {
			return config.Secret(secret), nil
		}
		return "", fmt.Errorf("read %s: the file is empty; restore it, or delete it to have a new one made", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := generate()
	if err := writeWhole(path, secret+"\n"); err != nil {
		return "", fmt.Errorf("keep secret: %w", err)
	}
	return config.Secret(secret), nil
}

func writeWhole(path, text string) error {
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return os.Rename(fresh, path)
}

// randomPassword is easy to copy and has over 128 bits.
func randomPassword() string { return rand.Text() }

// randomKey is a key of keyBytes in standard base64.
func randomKey() string {
	key := make([]byte, keyBytes)
	rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}
