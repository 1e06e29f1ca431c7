/**
 * ethtool: the commands of SIOCETHTOOL and the structs that carry them. Host byte order.
 *
 * Source: <linux/ethtool.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const ETHTOOL_GSET = 0x1
export const ETHTOOL_SSET = 0x2
export const ETHTOOL_GDRVINFO = 0x3
export const ETHTOOL_GLINK = 0xa
export const ETHTOOL_GRXCSUM = 0x14
export const ETHTOOL_STXCSUM = 0x17
export const ETHTOOL_GTXCSUM = 0x16
export const ETHTOOL_GSTRINGS = 0x1b
export const ETHTOOL_GSTATS = 0x1d
export const ETHTOOL_GTSO = 0x1e
export const ETHTOOL_STSO = 0x1f
export const ETHTOOL_GGSO = 0x23
export const ETHTOOL_SGSO = 0x24
export const ETHTOOL_GGRO = 0x2b
export const ETHTOOL_SGRO = 0x2c
export const ETHTOOL_GSSET_INFO = 0x37
export const ETHTOOL_GFEATURES = 0x3a
export const ETHTOOL_SFEATURES = 0x3b
export const ETHTOOL_GLINKSETTINGS = 0x4c
export const ETHTOOL_SLINKSETTINGS = 0x4d
export const ETH_SS_STATS = 1
export const ETH_SS_FEATURES = 4
export const ETH_GSTRING_LEN = 32

// struct ethtool_value
export const ETHTOOL_VALUE_CMD = 0
export const ETHTOOL_VALUE_DATA = 4
export const ETHTOOL_VALUE_SIZE = 8

// struct ethtool_drvinfo: NUL-terminated strings
export const ETHTOOL_DRVINFO_DRIVER = 4
export const ETHTOOL_DRVINFO_VERSION = 36
export const ETHTOOL_DRVINFO_BUS_INFO = 100
export const ETHTOOL_DRVINFO_SIZE = 196

// struct ethtool_sset_info
export const ETHTOOL_SSET_INFO_MASK = 8
export const ETHTOOL_SSET_INFO_DATA = 16
export const ETHTOOL_SSET_INFO_SIZE = 16

// struct ethtool_gstrings: `len` strings of ETH_GSTRING_LEN bytes follow
export const ETHTOOL_GSTRINGS_SET = 4
export const ETHTOOL_GSTRINGS_LEN = 8
export const ETHTOOL_GSTRINGS_DATA = 12

// struct ethtool_gfeatures: `size` blocks follow, one for each 32 features
export const ETHTOOL_GFEATURES_BLOCKS = 4
export const ETHTOOL_GFEATURES_FEATURES = 8
export const ETHTOOL_GET_FEATURES_AVAILABLE = 0
export const ETHTOOL_GET_FEATURES_REQUESTED = 4
export const ETHTOOL_GET_FEATURES_ACTIVE = 8
export const ETHTOOL_GET_FEATURES_NEVER_CHANGED = 12
export const ETHTOOL_GET_FEATURES_SIZE = 16

// struct ethtool_sfeatures: the same, with a valid mask
export const ETHTOOL_SFEATURES_BLOCKS = 4
export const ETHTOOL_SFEATURES_FEATURES = 8
export const ETHTOOL_SET_FEATURES_VALID = 0
export const ETHTOOL_SET_FEATURES_REQUESTED = 4
export const ETHTOOL_SET_FEATURES_SIZE = 8

// struct ethtool_link_settings: three masks of link_mode_masks_nwords words follow
export const ETHTOOL_LINK_SETTINGS_CMD = 0
export const ETHTOOL_LINK_SETTINGS_SPEED = 4
export const ETHTOOL_LINK_SETTINGS_DUPLEX = 8
export const ETHTOOL_LINK_SETTINGS_PORT = 9
export const ETHTOOL_LINK_SETTINGS_AUTONEG = 11
export const ETHTOOL_LINK_SETTINGS_NWORDS = 15
export const ETHTOOL_LINK_SETTINGS_SIZE = 48
export const DUPLEX_HALF = 0
export const DUPLEX_FULL = 1
export const PORT_TP = 0
export const AUTONEG_DISABLE = 0
