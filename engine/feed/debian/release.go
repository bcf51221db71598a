package debian

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrRelease means that a release is not known.
var ErrRelease = errors.New("unknown Debian release")

// numbers are the releases by code name (www.debian.org/releases). The unstable distribution has no number.
var numbers = map[string]string{
	"wheezy": "7", "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12",
	"trixie": "13", "forky": "14", "duke": "15", "sid": "sid",
}

// older are releases before those that are read; that the lists name them is no surprise.
var older = map[string]bool{"woody": true, "sarge": true, "etch": true, "lenny": true, "squeeze": true}

var releaseNumber = regexp.MustCompile(`^[0-9a-z.]{1,20}$`)

// releases returns the numbers of the releases to read by code name: ErrRelease.
func releases(chosen []string) (map[string]string, error) {
	if len(chosen) == 0 {
		return numbers, nil
	}
	out := make(map[string]string, len(chosen))
	for _, c := range chosen {
		name, number, given := strings.Cut(strings.TrimSpace(c), "=")
		if !given {
			number = numbers[name]
		}
		if name == "" || !releaseNumber.MatchString(number) {
			return nil, fmt.Errorf("%w: %q; write a code name and its number, like \"bookworm=12\"", ErrRelease, c)
		}
		out[name] = number
	}
	return out, nil
}
