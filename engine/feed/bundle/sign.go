package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// purpose keeps a signature from meaning anything but a manifest.
const purpose = "plimsoll feed bundle manifest v1\n"

// signature is the content of manifest.sig.
type signature struct {
	Key       string `json:"key"`
	Signature []byte `json:"signature"`
}

// KeyID is by which people tell public keys apart.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

var errKey = errors.New("not an Ed25519 key of 32 bytes in base64, as `plimsoll feeds keygen` prints it")

// ParsePrivateKey reads the 32 bytes of a private key's seed in base64.
func ParsePrivateKey(text string) (ed25519.PrivateKey, error) {
	seed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errKey
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ParsePublicKey reads the 32 bytes of a public key in base64.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errKey
	}
	return key, nil
}

// Public is the public half of a key pair.
func Public(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(bytes.Clone(key[ed25519.SeedSize:]))
}

// Keys prints a key pair as ParsePrivateKey and ParsePublicKey read it.
func Keys(key ed25519.PrivateKey) (private, public string) {
	return base64.StdEncoding.EncodeToString(key.Seed()), base64.StdEncoding.EncodeToString(Public(key))
}

// Trust says whose bundles are taken.
type Trust struct {
	Keys     []ed25519.PublicKey
	Unsigned bool // take also what nobody has signed
}

func sign(manifest []byte, key ed25519.PrivateKey) ([]byte, error) {
	return json.Marshal(signature{
		Key: KeyID(Public(key)), Signature: ed25519.Sign(key, append([]byte(purpose), manifest...)),
	})
}

// verify returns the id of the key that signed; empty when the bundle is unsigned and may be: ErrUntrusted.
func (t Trust) verify(manifest, raw []byte) (string, error) {
	if raw == nil {
		if t.Unsigned {
			return "", nil
		}
		return "", fmt.Errorf("%w: it has no signature", ErrUntrusted)
	}
	var s signature
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%w: manifest.sig: %w", ErrBundle, err)
	}
	message := append([]byte(purpose), manifest...)
	for _, key := range t.Keys {
		if KeyID(key) == s.Key && ed25519.Verify(key, message, s.Signature) {
			return s.Key, nil
		}
	}
	return "", fmt.Errorf("%w: the signature names key %q", ErrUntrusted, clip(s.Key))
}
