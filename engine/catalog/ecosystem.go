package catalog

// Package types of the smaller ecosystems, in the words of their purl types where there are such.
const (
	TypeAlpm      = "alpm"
	TypePortage   = "portage"
	TypeHex       = "hex" // Elixir and Erlang
	TypeOTP       = "otp" // applications of Erlang/OTP and of Elixir itself
	TypeHackage   = "hackage"
	TypeCran      = "cran"
	TypeConan     = "conan"
	TypeVcpkg     = "vcpkg"
	TypeSwiplpack = "swiplpack"
	TypeBitnami   = "bitnami"
	TypeMacports  = "macports"
	TypeNix       = "nix"
	TypeTerraform = "terraform" // providers
	TypeModel     = "ai-model"
)
