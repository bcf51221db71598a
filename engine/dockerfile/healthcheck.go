package dockerfile

import (
	"regexp"
	"strconv"
	"strings"
)

// healthcheckValue is the Go value builders record of a health check: the test, its times and the number of
// retries, &{["CMD-SHELL" "curl …"] "30s" "3s" "0s" "0s" '\x03'}. The fourth time, the interval during start, is of
// newer builders.
var healthcheckValue = regexp.MustCompile(`^&\{\[((?:"(?:[^"\\]|\\.)*" ?)*)\]((?: "[0-9a-zµ.]+")*)(?: ('(?:[^'\\]|\\.)[^']*'|[0-9]+))?`)

// healthcheckTimes are the flags of the times, in order.
var healthcheckTimes = []string{"--interval", "--timeout", "--start-period", "--start-interval"}

func healthcheck(args string) string {
	m := healthcheckValue.FindStringSubmatch(args)
	if m == nil {
		return args
	}
	words := quoted.FindAllString(m[1], -1)
	if len(words) == 0 || words[0] == `"NONE"` {
		return "NONE"
	}
	var flags string
	for i, text := range strings.Fields(m[2]) {
		if value := strings.Trim(text, `"`); value != "0s" && i < len(healthcheckTimes) {
			flags += healthcheckTimes[i] + "=" + value + " "
		}
	}
	if n := retries(m[3]); n > 0 {
		flags += "--retries=" + strconv.Itoa(n) + " "
	}
	if words[0] == `"CMD-SHELL"` && len(words) == 2 {
		return flags + "CMD " + strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(words[1][1:len(words[1])-1])
	}
	return flags + "CMD [" + strings.Join(words[1:], ", ") + "]"
}

// retries reads the number, which Go prints as the character of that code.
func retries(text string) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if c, _, tail, err := strconv.UnquoteChar(strings.Trim(text, "'"), '\''); err == nil && tail == "" {
		return int(c)
	}
	return 0
}
