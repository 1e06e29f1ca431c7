/**
 * ethtool: the commands of SIOCETHTOOL and the structs that carry them. Host byte order.
 *
 * Source: <linux/ethtool.h>. The C side of the table is native-bindings/abi-names.h; test/abi compares both.
 */
export const ETHTOOL_GDRVINFO = 0x3
export const ETHTOOL_GLINK = 0xa
export const ETHTOOL_GSTRINGS = 0x1b
export const ETHTOOL_GGRO = 0x2b
export const ETHTOOL_SGRO = 0x2c
export const ETHTOOL_GSSET_INFO = 0x37
export const ETHTOOL_GFEATURES = 0x3a
export const ETHTOOL_SFEATURES = 0x3b
export const ETHTOOL_GLINKSETTINGS = 0x4c
export const ETHTOOL_SLINKSETTINGS = 0x4d

// struct ethtool_value
export const ETHTOOL_VALUE_DATA = 4
export const ETHTOOL_VALUE_SIZE = 8

// struct ethtool_sset_info: one u32 for each string set in the mask
export const ETHTOOL_SSET_INFO_MASK = 8
export const ETHTOOL_SSET_INFO_SIZE = 16

// struct ethtool_gstrings: NUL-terminated strings of ETH_GSTRING_LEN follow
export const ETHTOOL_GSTRINGS_STRING_SET = 4
export const ETHTOOL_GSTRINGS_SIZE = 12
export const ETH_SS_FEATURES = 4
export const ETH_GSTRING_LEN = 32

// struct ethtool_gfeatures and ethtool_sfeatures: a block for every 32 features follows
export const ETHTOOL_FEATURES_BLOCKS = 4
export const ETHTOOL_FEATURES_SIZE = 8
export const ETHTOOL_GET_FEATURES_BLOCK_REQUESTED = 4
export const ETHTOOL_GET_FEATURES_BLOCK_ACTIVE = 8
export const ETHTOOL_GET_FEATURES_BLOCK_SIZE = 16
export const ETHTOOL_SET_FEATURES_BLOCK_VALID = 0
export const ETHTOOL_SET_FEATURES_BLOCK_REQUESTED = 4
export const ETHTOOL_SET_FEATURES_BLOCK_SIZE = 8

// struct ethtool_drvinfo: NUL-terminated strings
export const ETHTOOL_DRVINFO_DRIVER = 4
export const ETHTOOL_DRVINFO_VERSION = 36
export const ETHTOOL_DRVINFO_BUS_INFO = 100
export const ETHTOOL_DRVINFO_SIZE = 196

// struct ethtool_link_settings: three masks of link_mode_masks_nwords words follow
export const ETHTOOL_LINK_SETTINGS_SPEED = 4
export const ETHTOOL_LINK_SETTINGS_DUPLEX = 8
export const ETHTOOL_LINK_SETTINGS_PORT = 9
export const ETHTOOL_LINK_SETTINGS_AUTONEG = 11
export const ETHTOOL_LINK_SETTINGS_NWORDS = 15
export const ETHTOOL_LINK_SETTINGS_SIZE = 48
export const DUPLEX_FULL = 1
export const PORT_TP = 0
export const AUTONEG_DISABLE = 0
