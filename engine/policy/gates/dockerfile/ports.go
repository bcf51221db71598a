package dockerfile

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/policy"
)

var exposedPorts = policy.Trigger{
	Name: "exposed_ports",
	Doc: "Fires for each exposed port that is on a denylist or not on an allowlist. Looks at the EXPOSE instructions of " +
		"the final stage and of the stages it is built on, in a guessed Dockerfile at the ports of the image config. " +
		"The protocol does not count. An image that exposes nothing never fires.",
	ID: "Hash of the port as exposed and the type; with a range, of the range.",
	Params: []policy.Param{
		{Name: "ports", Type: policy.Numbers, Required: true, Example: "22, 3306", Doc: "Port numbers."},
		{Name: "type", Type: policy.Enum(allowlist, denylist), Required: true, Example: denylist,
			Doc: "Whether the ports are the only ones allowed or the ones denied."},
		actualOnly,
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		rule := portRule{kind: args.String("type"), actualOnly: args.Bool(actualOnly.Name)}
		for _, digits := range args.List("ports") {
			number, err := strconv.ParseUint(digits, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("port %s is not between 0 and 65535", digits)
			}
			rule.ports = append(rule.ports, uint16(number))
		}
		slices.Sort(rule.ports)
		rule.ports = slices.Compact(rule.ports)
		return rule.check, nil
	},
}

type portRule struct {
	ports      []uint16 // sorted, each once
	kind       string
	actualOnly bool
}

func (r *portRule) check(ctx context.Context, pass *policy.Pass) error {
	file, mode, err := load(ctx, pass, r.actualOnly)
	switch {
	case err != nil || mode == policy.DockerfileNone:
		return err
	case mode == policy.DockerfileGuessed:
		config, err := pass.Config(ctx)
		if err != nil {
			return err
		}
		return r.judge(pass, config.ExposedPorts)
	}
	for _, line := range file.Final() {
		if line.Name != "EXPOSE" {
			continue
		}
		if err := r.judge(pass, strings.Fields(line.Args)); err != nil {
			return err
		}
	}
	return nil
}

// judge compares the ports of one EXPOSE instruction.
func (r *portRule) judge(pass *policy.Pass, tokens []string) error {
	for _, token := range tokens {
		low, high, known := portRange(token)
		listed := 0
		if known {
			listed = r.count(low, high)
		}
		fires := listed > 0
		if r.kind == allowlist {
			fires = !known || listed <= int(high)-int(low)
		}
		if !fires {
			continue
		}
		if err := pass.Report(fmt.Sprintf("The image exposes port %s, by %s", token, r.kind), token, r.kind); err != nil {
			return err
		}
	}
	return nil
}

// count returns how many ports from low to high are listed.
func (r *portRule) count(low, high uint16) int {
	from, _ := slices.BinarySearch(r.ports, low)
	to, found := slices.BinarySearch(r.ports, high)
	if found {
		to++
	}
	return to - from
}

// portRange reads 80, 80/tcp, 8000-8010 and 8000-8010/udp. Anything else, like a variable, is not known.
func portRange(token string) (low, high uint16, known bool) {
	numbers, _, _ := strings.Cut(token, "/")
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	return uint16(a), uint16(b), errA == nil && errB == nil && a <= b
}
